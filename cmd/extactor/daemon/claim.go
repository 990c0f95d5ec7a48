package daemon

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// statePatience is how long the start waits for the disk of the state directory, as long as the journal does.
const statePatience = 10 * time.Second

// stateClaim is what became of making the state directory this daemon's.
type stateClaim struct {
	dir     string   // empty where it is not there yet, or does not work
	lock    *os.File // nil where it is not locked
	locked  bool     // or it is read-only, so that nobody else writes there either
	problem error    // for which the daemon must not start
}

// claimState makes and locks the state directory where it is there yet, and returns it; else nothing. One whose disk does
// not answer is left alone: it is locked once the journal can be used.
func (d *daemon) claimState() (string, error) {
	answers, late := make(chan stateClaim), make(chan struct{})

	go func() {
		claim := d.lookAtState()

		select {
		case answers <- claim:
		case <-late:
			claim.lock.Close() // nil does no harm
		}
	}()

	select {
	case claim := <-answers:
		if claim.lock != nil {
			d.onClose(func() { claim.lock.Close() })
		}

		d.stateLocked = claim.locked

		return claim.dir, claim.problem
	case <-time.After(statePatience):
		close(late)
		d.console.log.Error().Msgf("going on without the state directory %q: its disk has not answered for %v", d.options.StateDir, statePatience)

		return "", nil
	}
}

// lookAtState may take as long as the disk does.
func (d *daemon) lookAtState() stateClaim {
	if err := d.tolerate(checkPrivate("state", d.options.StateDir)); err != nil {
		return stateClaim{problem: err}
	}

	if mounted, err := d.stateMounted(); err != nil || !mounted {
		return stateClaim{problem: d.tolerate(err)}
	}

	// As the journal does, only the directory itself is made: where its parent is missing, it is not mounted yet, and is
	// locked once it is.
	_ = os.Mkdir(d.options.StateDir, 0o700)

	claim := stateClaim{dir: d.options.StateDir}
	if _, err := os.Stat(d.options.StateDir); err != nil {
		return claim
	}

	held, err := lock(d.options.StateDir)
	claim.lock, claim.locked = held, err == nil || readOnly(err)

	if !claim.locked {
		claim.problem = d.tolerate(err)
	}

	return claim
}

// stateMounted tells whether the state directory is what it will be: below a mount point that is not mounted yet there is
// a directory of another file system, in which nothing must be made or believed.
func (d *daemon) stateMounted() (bool, error) {
	if d.options.StateMount == "" {
		return true, nil
	}

	mounted, err := mountinfo.Mounted(d.options.StateMount)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("cannot tell whether %q is mounted: %w", d.options.StateMount, err)
	}

	return mounted, nil
}

// tolerate passes on what is wrong with the state directory, unless it is that its disk is broken: that stops the
// recording, and the journal says so, but not the services.
func (d *daemon) tolerate(err error) error {
	if !slices.ContainsFunc(brokenDisk, func(reason syscall.Errno) bool { return errors.Is(err, reason) }) {
		return err
	}

	d.console.log.Error().Err(err).Msg("going on without the state directory")

	return nil
}

// brokenDisk are the errors of a disk, or of a file system, that does not work any more, and of a file where a directory should
// be.
var brokenDisk = []syscall.Errno{unix.EIO, unix.EUCLEAN, unix.ENODEV, unix.ENXIO, unix.ESTALE, unix.ETIMEDOUT, unix.ENOTDIR}
