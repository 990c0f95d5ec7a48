package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Follow returns a reader that waits at the end of the log for more, until the context ends; then Read returns the
// cause. The log must have been created. The caller closes it.
func Follow(ctx context.Context, dir Dir, id string, from uint64) (*Reader, error) {
	reader, err := Open(dir, id, from)
	if err != nil {
		return nil, err
	}
	if err := reader.follow(ctx); err != nil {
		return nil, fmt.Errorf("cannot follow log %q: %w", id, err)
	}
	return reader, nil
}

// follow makes a reader wait at the end of the log, until the context ends or the time up to which lines are wanted is over.
func (r *Reader) follow(ctx context.Context) error {
	// Subscribed before the first read, so that nothing is added unnoticed between the two.
	changed, stop, err := changes.subscribe(r.directory)
	if err != nil {
		return err
	}
	r.release = stop
	r.wait = func() error {
		var over <-chan time.Time
		if !r.until.IsZero() {
			timer := time.NewTimer(time.Until(r.until))
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-changed:
		case <-over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	}
	return nil
}

// Lines follows a log and yields each line, without its end, once it is complete, until the context ends, which is no
// error. A line longer than limit bytes is yielded in pieces of that size, and an unfinished one when the context ends.
// The slice is valid only during the call.
func Lines(ctx context.Context, dir Dir, id string, from uint64, limit int, yield func(line []byte)) error {
	reader, err := Follow(ctx, dir, id, from)
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
