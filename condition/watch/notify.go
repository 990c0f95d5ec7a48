package watch

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// notify calls changed at once and then after each change of a file of /proc that supports poll(2), from one goroutine,
// until stop is called; stop waits for a call that is under way.
//
// Such a file is always readable and the kernel wakes those who poll it at each change. The runtime's poller is
// edge-triggered, so each wake-up is one return from waiting for the file to become readable.
func notify(path string, changed func()) (stop func(), err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}

	file := os.NewFile(uintptr(fd), path)

	// This fails where the file cannot be polled.
	if err = file.SetReadDeadline(time.Time{}); err != nil {
		_ = file.Close()

		return nil, fmt.Errorf("cannot poll %q: %w", path, err)
	}

	connection, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()

		return nil, fmt.Errorf("cannot poll %q: %w", path, err)
	}

	done := make(chan struct{})

	go func() {
		defer close(done)

		// Never done reading: it returns when the file is closed.
		_ = connection.Read(func(uintptr) bool {
			changed()

			return false
		})
	}()

	return func() {
		_ = file.Close()

		<-done
	}, nil
}
