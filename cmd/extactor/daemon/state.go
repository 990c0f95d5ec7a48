package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/journal"
)

// claim makes this process the only daemon of its directories.
func (d *daemon) claim() error {
	// For root alone: below it are the environment and the configuration of services.
	if err := os.MkdirAll(d.options.RunDir, 0o700); err != nil {
		return fmt.Errorf("cannot create the run directory: %w", err)
	}

	if err := checkPrivate("run", d.options.RunDir); err != nil {
		return err
	}

	if d.options.Loaded == nil { // an author's own directories are the author's
		go d.warnOfOthers() // one of them may lie on a disk that hangs
	}

	if err := d.lock(d.options.RunDir); err != nil {
		return err
	}

	state, err := d.claimState()
	if err != nil {
		return err
	}

	d.instance, err = loadInstance(d.options.RunDir, state)

	return err
}

func (d *daemon) lock(dir string) error {
	held, err := lock(dir)
	if err != nil {
		return err
	}

	d.onClose(func() { held.Close() })

	return nil
}

func (d *daemon) openJournal(system *atomic.Pointer[actors.System]) error {
	mode := journal.Interval
	if d.options.SyncAlways {
		mode = journal.Always
	}

	opened, err := journal.Open(journal.Options{
		Identity: journal.Identity{Instance: d.instance.id, BootID: d.bootID, RunID: uuid.NewString()},
		Dir:      d.options.StateDir,
		Mount:    d.options.StateMount,
		Sync:     mode,
		Check:    func() error { return checkPrivate("state", d.options.StateDir) }, // it may appear, or change, only now
		Logger:   d.console.log,
		Fatal:    d.crash,
		Snapshot: func(ctx context.Context) error {
			if running := system.Load(); running != nil {
				return running.Snapshot(ctx)
			}

			return errors.New("the services are not loaded yet")
		},
	})
	if err != nil {
		return err
	}

	d.journal = opened
	d.onClose(func() { opened.Close() })
	d.showEvents(opened.Subscribe(opened.Status().Revision))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		d.storeInstance(ctx)
	}()

	d.onClose(func() {
		cancel()

		select {
		case <-ended:
		case <-time.After(storeGrace): // the disk hangs, which must not hold up anybody
		}
	})

	return nil
}

// storeGrace is how long the end of the daemon waits for its identity to be written.
const storeGrace = time.Second

// storeInstance keeps the identity in the state directory too, as soon as that is there, and locks it then if it was not
// there before.
func (d *daemon) storeInstance(ctx context.Context) {
	for {
		status, changed := d.journal.Watch()
		if !status.Degraded {
			same, err := d.instance.store(d.options.StateDir)

			switch {
			case err != nil:
				d.console.log.Warn().Err(err).Msg("cannot store the instance in the state directory")
			case !same:
				d.console.log.Warn().Msg("the state directory appeared late, with an identity of its own, which counts from the next boot on")
			}

			if !d.stateLocked {
				d.lockLate(ctx)
			}

			return
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// lockLate holds the state directory until the context ends. Another daemon cannot be in it: the journal would still be
// degraded.
func (d *daemon) lockLate(ctx context.Context) {
	held, err := lock(d.options.StateDir)
	if err != nil {
		d.console.log.Warn().Err(err).Msg("the state directory is not locked")

		return
	}

	<-ctx.Done()
	held.Close()
}
