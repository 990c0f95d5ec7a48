package server

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/program"
)

// acquire locks the run directory for this process. A POSIX lock is used because its holder's PID can be asked for and
// because shims, which are children of this process, do not inherit it.
func acquire(c Config) (*os.File, error) {
	file, err := os.OpenFile(lockPath(c.RunDir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}

	err = unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if err != nil {
		pid, _ := Holder(c.RunDir)
		file.Close()

		return nil, fmt.Errorf("the server with PID %d holds %q: %w", pid, c.RunDir, err)
	}

	program.NoteVersion(file, c.Version)

	return file, nil
}

// Holder returns the PID of the server that lives on the run directory, 0 where there is none.
func Holder(runDir string) (int, error) {
	file, err := os.OpenFile(lockPath(runDir), os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("cannot look for a running containerd: %w", err)
	}
	defer file.Close()

	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("cannot look for a running containerd: %w", err)
	}

	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}

	return int(lock.Pid), nil
}

// Version returns the version of the server that lives on the run directory; empty where it has not said.
func Version(runDir string) string { return program.NotedVersion(lockPath(runDir)) }

func lockPath(runDir string) string { return filepath.Join(runDir, "containerd", "lock") }
