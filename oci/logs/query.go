package logs

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Query says which lines of logs are wanted.
type Query struct {
	Tail         int       // only the last of those that are wanted, so many of each service; negative: all
	Since, Until time.Time // only those of which anything arrived in this time, by the clock of then; zero: there is no such limit
	Follow       bool      // go on with those that are yet to come
	Timestamps   bool      // before each the time at which it began to arrive
}

// Read returns a reader of the lines that are wanted, of one service or of several: those have the service's id before each
// line, and are in the order of their times. It ends with io.EOF: at the end that the logs have now, or, where they are
// followed, once the time is over; when the context ends before, with the cause. A log that was deleted in part begins with
// the oldest byte that is kept. The caller closes it.
func Read(ctx context.Context, dir Dir, ids []string, query Query) (io.ReadCloser, error) {
	if query.Follow && !query.Since.IsZero() { // before, nothing is wanted
		if err := await(ctx, nil, query.Since); err != nil {
			return nil, err
		}
	}
	changed := newNews()
	wait := func() error { return await(ctx, changed, query.Until) }
	var readers []*Reader
	for _, id := range ids {
		reader := &Reader{wait: wait}
		if err := reader.find(dir, id, query, changed); err != nil {
			for _, opened := range append(readers, reader) {
				opened.Close()
			}
			return nil, fmt.Errorf("cannot read log %q: %w", id, err)
		}
		readers = append(readers, reader)
	}
	switch {
	case len(readers) != 1:
		return newMerged(ids, readers, query.Timestamps), nil
	case query.Timestamps:
		return newStamped(readers[0]), nil
	default:
		return readers[0], nil
	}
}

// find makes a reader that of what is wanted of a log. Where that is to be followed, changes are told.
func (r *Reader) find(dir Dir, id string, query Query, changed news) error {
	if err := checkID(id); err != nil {
		return err
	}
	r.directory = dir.segments(id)
	over := !query.Until.IsZero() && !time.Now().Before(query.Until)
	if follow := query.Follow && !over; !follow {
		r.wait = nil
	} else if err := r.subscribe(changed); err != nil {
		return err
	}
	begin, end, err := locate(r.directory, query, over)
	if err != nil {
		return err
	}
	r.cursor, r.end = begin, end
	if r.wait != nil {
		r.end, r.until = noEnd, query.Until
	}
	return nil
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
