package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/program"
)

// lockPath names the file that the one logd of an instance keeps locked. Two that moved bytes into the same file would
// overwrite each other.
func (d Dir) lockPath() string { return d.FIFOs + ".lock" }

// dying is how long a process that is killed may have given back one lock and not yet the other.
const dying = 500 * time.Millisecond

// acquire takes the lock, which the kernel gives back when the process dies. It does not wait for one that lives.
//
// flock keeps the second one out, also within one process. The fcntl lock beside it does not do that, but it can be
// asked for the pid of its owner, which a pid written into a file cannot tell without a race.
func acquire(dir Dir, version string) (*os.File, error) {
	file, err := os.OpenFile(dir.lockPath(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	owned := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(file.Fd(), unix.F_SETLK, &owned)
	if err == nil {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		for late := time.Now().Add(dying); errors.Is(err, unix.EAGAIN) && time.Now().Before(late); {
			time.Sleep(time.Millisecond)
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		}
	}
	if err == nil {
		program.NoteVersion(file, version)
		return file, nil
	}
	file.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		pid, _ := holder(dir)
		return nil, fmt.Errorf("another one is running (PID %d)", pid)
	}
	return nil, fmt.Errorf("cannot lock %s: %w", dir.lockPath(), err)
}

// holder returns the pid of the living logd, or 0.
func holder(dir Dir) (int, error) {
	file, err := os.Open(dir.lockPath())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	asked := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &asked); err != nil {
		return 0, fmt.Errorf("cannot ask who locks %s: %w", dir.lockPath(), err)
	}
	if asked.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(asked.Pid), nil
}
