package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
)

// errNotMounted is why a journal waits early in boot.
var errNotMounted = errors.New("state directory not mounted yet")

// preparePlace makes the last element of the state directory, and nothing else: what is above it is made, or mounted, by
// others, and a directory that hides below a later mount would take the events with it.
func preparePlace(dir, mount string) error {
	if mount != "" {
		mounted, err := isMountPoint(mount)
		if err != nil {
			return err
		}

		if !mounted {
			return fmt.Errorf("%w: %q is not a mount point", errNotMounted, mount)
		}
	}

	err := os.Mkdir(dir, 0o700)

	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %q does not exist", errNotMounted, filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
	default:
		if _, missing := os.Stat(dir); missing != nil { // a read-only file system says so even of what exists
			return fmt.Errorf("cannot make state directory: %w", err)
		}
	}

	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cannot use state directory: %w", err)
	}

	if !info.IsDir() {
		return fmt.Errorf("cannot use state directory %q: it is not a directory", dir)
	}

	return nil
}

// isMountPoint tells whether something is mounted at a path. A path that does not exist is none.
func isMountPoint(path string) (bool, error) {
	var status unix.Statx_t

	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, &status)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}

	if err != nil {
		return false, fmt.Errorf("cannot look at mount point %q: %w", path, err)
	}

	if status.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return status.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
	}
	// Before Linux 5.8: another file system than that of the parent.
	var parent unix.Stat_t
	if err := unix.Stat(filepath.Join(path, ".."), &parent); err != nil {
		return false, fmt.Errorf("cannot look at mount point %q: %w", path, err)
	}

	return unix.Mkdev(status.Dev_major, status.Dev_minor) != parent.Dev, nil
}

// kernelClocks reads both clocks.
func kernelClocks() *events.Instant {
	var wall, boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &wall) // neither can fail on Linux
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	return &events.Instant{WallNs: wall.Nano(), BootNs: boot.Nano()}
}
