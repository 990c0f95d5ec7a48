package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketName is the name of the daemon's socket in its run directory.
const SocketName = "extactor.sock"

// longestSocketPath is what the kernel takes (sun_path, with its terminating zero).
const longestSocketPath = 107

// Listen makes the daemon's socket, mode 0600 from its first moment. A socket that a killed daemon left behind is
// replaced; one that somebody still answers on is an error.
func Listen(path string) (net.Listener, error) {
	if len(path) > longestSocketPath {
		return nil, fmt.Errorf("cannot listen on %q: the path has %d bytes, a unix socket takes at most %d", path, len(path), longestSocketPath)
	}

	if err := removeStale(path); err != nil {
		return nil, err
	}

	// The mode of the socket before bind(2) is the mode of the file that bind makes, so that there is no moment in which
	// somebody else could connect, whatever the umask.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}

		return failed
	}}

	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", path, cause(err))
	}

	return listener, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("cannot listen on %q: %w", path, cause(err))
	}

	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("cannot listen on %q: it exists and is no socket", path)
	}

	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()

		return fmt.Errorf("cannot listen on %q: another daemon answers there", path)
	}

	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the socket of an earlier daemon %q: %w", path, cause(err))
	}

	return nil
}

// cause strips the repetition of operation and path from an error of the standard library.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}

	return err
}
