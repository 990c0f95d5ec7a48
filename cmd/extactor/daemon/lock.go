package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci"
)

// The lock of a daemon that was killed is held by a child of it for as long as the child has not executed its own program.
const (
	lockTimeout = 500 * time.Millisecond
	lockPause   = 10 * time.Millisecond
)

// lock makes this process the only daemon of a directory until the file is closed.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, oci.LockName)

	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock %q: %w", dir, err)
	}

	if err := flock(file); err != nil {
		defer file.Close()

		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot use %q: another extactor daemon does (%s)", dir, holder(path))
		}

		return nil, fmt.Errorf("cannot lock %q: %w", dir, err)
	}

	writePID(file)

	return file, nil
}

// flock takes the lock, and waits for it no longer than a dead daemon may have it.
func flock(file *os.File) error {
	deadline := time.Now().Add(lockTimeout)

	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}

		time.Sleep(lockPause)
	}
}

// writePID is for the message of another daemon, and no reason to fail: the disk may be full. What was there before is
// written over, which takes no room.
func writePID(file *os.File) {
	pid := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if _, err := file.WriteAt(pid, 0); err == nil {
		_ = file.Truncate(int64(len(pid)))
	}
}

func holder(path string) string {
	pid, err := os.ReadFile(path)
	if err != nil || len(pid) == 0 {
		return "PID unknown"
	}

	return "PID " + strings.TrimSpace(string(pid))
}
