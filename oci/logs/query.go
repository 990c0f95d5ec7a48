package logs

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// Query says which lines of a log are wanted.
type Query struct {
	Tail         int       // only the last of those that are wanted, so many; negative: all
	Since, Until time.Time // only those that began to arrive in this time, by the clock of then; zero: there is no such limit
	Follow       bool      // go on with those that are yet to come
	Timestamps   bool      // before each the time at which it began to arrive
}

// Read returns a reader of the lines that are wanted. It ends with io.EOF: at the end that the log has now, or, where it is
// followed, once the time is over; when the context ends before, with the cause. A log that was deleted in part begins with
// the oldest byte that is kept. The caller closes it.
func Read(ctx context.Context, dir Dir, id string, query Query) (io.ReadCloser, error) {
	reader, err := openQuery(ctx, dir, id, query)
	if err != nil {
		return nil, fmt.Errorf("cannot read log %q: %w", id, err)
	}
	if query.Timestamps {
		return newStamped(reader), nil
	}
	return reader, nil
}

func openQuery(ctx context.Context, dir Dir, id string, query Query) (*Reader, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	over := !query.Until.IsZero() && !time.Now().Before(query.Until)
	reader := &Reader{directory: dir.segments(id)}
	if query.Follow && !over {
		reader.until = query.Until
		if err := await(ctx, query.Since); err != nil {
			return nil, err
		}
		// A service that has not started yet has no log; whoever follows it wants to see its first line.
		if err := os.MkdirAll(reader.directory, 0o700); err != nil {
			return nil, err
		}
		if err := reader.follow(ctx); err != nil {
			return nil, err
		}
	}
	begin, end, err := locate(reader.directory, query, over)
	if err != nil {
		reader.Close()
		return nil, err
	}
	reader.cursor, reader.end = begin, end
	if reader.wait != nil {
		reader.end = noEnd
	}
	return reader, nil
}

// await returns when that time has come: before, nothing is wanted.
func await(ctx context.Context, begin time.Time) error {
	select {
	case <-time.After(time.Until(begin)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// locate returns the cursors between which are the lines that are wanted, of those that are there.
func locate(directory string, query Query, over bool) (begin, end uint64, err error) {
	if begin, end, err = bounds(directory); err != nil {
		return 0, 0, err
	}
	if over {
		if end, err = until(directory, query.Until); err != nil {
			return 0, 0, err
		}
	}
	if !query.Since.IsZero() {
		if begin, err = since(directory, query.Since); err != nil {
			return 0, 0, err
		}
	}
	if begin = min(begin, end); query.Tail >= 0 {
		begin, err = tail(directory, begin, end, query.Tail)
	}
	return begin, end, err
}
