// Package logs keeps what services print. A service writes both of its streams to one FIFO; a small process, logd, moves
// the bytes from all FIFOs into files with splice(2); everyone else reads those files.
//
// A log is one endless stream of bytes. A position in it, a cursor, is the number of bytes that came before it. The
// stream is cut into segment files named after the cursor of their first byte, so a cursor means the same before and
// after a rotation and in every process. Only the newest segments are kept.
//
// Nobody but the kernel ever holds a byte on its way: it is either in the FIFO or in the file. That is why logd may be
// killed at any moment without losing or doubling one.
package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// pipeSize is how many bytes a FIFO holds while logd is away. It is the most that the kernel gives without asking the
// administrator (fs.pipe-max-size), and it is allocated only as far as it is filled.
const pipeSize = 1 << 20

// Dir says where logs are. Nothing else may be kept in these directories.
type Dir struct {
	FIFOs string // one FIFO for each service, named after its id
	Files string // one directory of segments for each service, named after its id
}

// In returns the places below the run directory of an instance.
func In(run string) Dir {
	return Dir{FIFOs: filepath.Join(run, "logs", "fifo"), Files: filepath.Join(run, "logs", "files")}
}

// FIFO returns the path that a service's streams are connected to.
func (d Dir) FIFO(id string) string { return filepath.Join(d.FIFOs, id) }

func (d Dir) segments(id string) string { return filepath.Join(d.Files, id) }

// Create makes the FIFO and the directory of segments of a service. What is there already stays as it is.
func Create(dir Dir, id string) error {
	if err := checkID(id); err != nil {
		return fmt.Errorf("cannot create log %q: %w", id, err)
	}
	for _, path := range []string{dir.FIFOs, dir.segments(id)} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("cannot create log %q: %w", id, err)
		}
	}
	if err := unix.Mkfifo(dir.FIFO(id), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot create log %q: cannot create FIFO: %w", id, err)
	}
	info, err := os.Lstat(dir.FIFO(id))
	if err != nil {
		return fmt.Errorf("cannot create log %q: %w", id, err)
	}
	if info.Mode().Type() != fs.ModeNamedPipe {
		return fmt.Errorf("cannot create log %q: %s exists and is not a FIFO", id, dir.FIFO(id))
	}
	return nil
}

// Hold opens the FIFO and keeps it until it is closed. While anybody holds it, the bytes in it stay, and a writer never
// meets EPIPE, whatever happens to logd.
func Hold(dir Dir, id string) (io.Closer, error) {
	fd, err := openFIFO(dir.FIFO(id))
	if err != nil {
		return nil, fmt.Errorf("cannot hold log %q: %w", id, err)
	}
	return os.NewFile(uintptr(fd), dir.FIFO(id)), nil
}

// Remove deletes the FIFO of a service; its segments stay. A FIFO that is gone is no error.
func Remove(dir Dir, id string) error {
	if err := checkID(id); err != nil {
		return fmt.Errorf("cannot remove log %q: %w", id, err)
	}
	if err := os.Remove(dir.FIFO(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove log %q: %w", id, err)
	}
	return nil
}

// openFIFO opens both ends of a FIFO, which never blocks on Linux. The descriptor is left in blocking mode on purpose:
// the Go runtime would put a non-blocking one into its poller and wake up at each line that the service prints.
func openFIFO(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1, fmt.Errorf("%s is not a FIFO", path)
	}
	// The size belongs to the pipe, which lives as long as it is held. Without privilege it may be refused once a user
	// has many pipes; a smaller one only fills sooner.
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
	return fd, nil
}

// checkID refuses a name that would lead out of the directories.
func checkID(id string) error {
	if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\x00") {
		return errors.New("not a valid id")
	}
	return nil
}
