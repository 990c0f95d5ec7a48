package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Drained blocks until everything that was written to the FIFO is in the file, or the context ends, which is an error.
// It waits for ever while logd is dead: give the context a deadline. A log without a FIFO is drained.
func Drained(ctx context.Context, dir Dir, id string) error {
	if err := checkID(id); err != nil {
		return fmt.Errorf("cannot drain log %q: %w", id, err)
	}
	fifo, err := openFIFO(dir.FIFO(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot drain log %q: %w", id, err)
	}
	defer unix.Close(fifo)
	if empty, err := isEmpty(fifo); empty || err != nil {
		return err
	}
	changed := newNews()
	stop, err := changes.subscribe(dir.segments(id), changed)
	if err == nil {
		defer stop()
	}
	// Bytes that are discarded, because the disk is full, change no file; and there may be no directory to watch yet,
	// or no watch to be had: look now and then as well.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if empty, err := isEmpty(fifo); empty || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot drain log %q: %w", id, context.Cause(ctx))
		}
	}
}

// isEmpty tells whether logd has taken everything. The kernel takes bytes out of a pipe only once they are in the file,
// and holds the pipe's lock meanwhile.
func isEmpty(fifo int) (bool, error) {
	waiting, err := unix.IoctlGetInt(fifo, unix.TIOCINQ)
	if err != nil {
		return false, fmt.Errorf("cannot ask a FIFO for its bytes: %w", err)
	}
	return waiting == 0, nil
}
