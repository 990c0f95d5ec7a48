package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// follow returns a reader that waits at the end of the log for more, until the context ends; then Read returns the
// cause. A service that has printed nothing yet can be followed too. The caller closes it.
func follow(ctx context.Context, dir Dir, id string, from uint64) (*Reader, error) {
	reader, err := Open(dir, id, from)
	if err != nil {
		return nil, err
	}
	// Subscribed before the first read, so that nothing is added unnoticed between the two.
	changed := newNews()
	if err := reader.subscribe(changed); err != nil {
		return nil, fmt.Errorf("cannot follow log %q: %w", id, err)
	}
	reader.wait = func() error { return await(ctx, changed, time.Time{}) }
	return reader, nil
}

// subscribe has what is added to the log told.
func (r *Reader) subscribe(changed news) (err error) {
	if err := os.MkdirAll(r.directory, 0o700); err != nil {
		return err
	}
	r.release, err = changes.subscribe(r.directory, changed)
	return err
}

// await waits for a change, or for a time unless that is zero. When the context ends before, it returns the cause.
func await(ctx context.Context, changed news, until time.Time) error {
	var over <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Lines follows a log and yields each line, without its end, once it is complete, until the context ends, which is no
// error. A line longer than limit bytes is yielded in pieces of that size, and an unfinished one when the context ends.
// The slice is valid only during the call.
func Lines(ctx context.Context, dir Dir, id string, from uint64, limit int, yield func(line []byte)) error {
	reader, err := follow(ctx, dir, id, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	buffer := make([]byte, max(limit, 1)+1) // one more for the end of a line of exactly limit bytes
	filled := 0
	for {
		n, err := reader.Read(buffer[filled:])
		filled += n
		rest := buffer[:filled]
		for {
			line, after, found := bytes.Cut(rest, []byte{'\n'})
			if !found {
				break
			}
			yield(line)
			rest = after
		}
		if len(rest) == len(buffer) {
			yield(rest[:len(rest)-1])
			rest = rest[len(rest)-1:]
		}
		filled = copy(buffer, rest)
		if err == nil {
			continue
		}
		if filled > 0 {
			yield(buffer[:filled])
		}
		if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			return nil
		}
		return fmt.Errorf("cannot read log %q: %w", id, err)
	}
}
