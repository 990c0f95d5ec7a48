package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/extactor/extactor/spec"
)

const (
	// mountSourceWait is how long a mount source in a kernel file system may take to appear: a driver that was loaded a
	// moment ago has not always made its device node yet.
	mountSourceWait = 5 * time.Second
	mountSourcePoll = 50 * time.Millisecond // /proc and /sys tell nobody when a file appears
	mountSourceMode = 0o700
)

// Preflight checks what a start needs of the host, and creates the directories of bind mounts that do not exist yet,
// with mode 0700. Nothing is created below /dev, /proc and /sys, where a directory would take the place of a device
// or a socket: such a source is waited for, 5 s at most or until the context ends. The error names the first thing
// that is wrong.
func Preflight(ctx context.Context, service *spec.Service, host Host) error {
	return checkHost(ctx, service, host, func(string) {})
}

// checkHost calls looking before it looks at a path that may lie on a file system which does not answer.
func checkHost(ctx context.Context, service *spec.Service, host Host, looking func(path string)) error {
	looking(host.Rootfs(service.Name))
	if err := checkRootfs(host.Rootfs(service.Name)); err != nil {
		return fmt.Errorf("cannot start %q: %w", service.ID(), err)
	}
	for i, mount := range service.Container.Mounts {
		if !isBind(mount) {
			continue
		}
		looking(mount.Source)
		err := ensureMountSource(ctx, mount.Source)
		if err == nil {
			err = checkMountKind(host.Rootfs(service.Name), service.Container.Mounts[:i], mount)
		}
		if err != nil {
			return fmt.Errorf("cannot start %q: %w", service.ID(), err)
		}
	}
	return nil
}

func checkRootfs(directory string) error {
	info, err := os.Stat(directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its root file system %q does not exist: put the files of the container there", directory)
	case err != nil:
		return fmt.Errorf("cannot look at its root file system %q: %w", directory, cause(err))
	case !info.IsDir():
		return fmt.Errorf("its root file system %q is %s, not a directory", directory, kind(info))
	}
	return nil
}

// ensureMountSource returns once the source of a bind mount exists.
func ensureMountSource(ctx context.Context, source string) error {
	if !filepath.IsAbs(source) {
		return fmt.Errorf("mount source %q is not an absolute path", source)
	}
	_, err := os.Stat(source)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot look at mount source %q: %w", source, cause(err))
	}
	if target, err := os.Readlink(source); err == nil {
		return fmt.Errorf("mount source %q is a symbolic link to %q, which does not exist", source, target)
	}
	if inKernelFileSystem(source) {
		return waitForMountSource(ctx, source)
	}
	if err := os.MkdirAll(source, mountSourceMode); err != nil {
		return fmt.Errorf("mount source %q does not exist and cannot be created: %w", source, cause(err))
	}
	return nil
}

// inKernelFileSystem reports whether the path lies below /dev, /proc or /sys, also by way of a symbolic link.
func inKernelFileSystem(path string) bool {
	for _, candidate := range []string{filepath.Clean(path), resolveExisting(path)} {
		for _, top := range []string{"/dev", "/proc", "/sys"} {
			if candidate == top || strings.HasPrefix(candidate, top+"/") {
				return true
			}
		}
	}
	return false
}

// resolveExisting follows the symbolic links of that part of the path which exists.
func resolveExisting(path string) string {
	existing, missing := filepath.Clean(path), ""
	for existing != "/" {
		if resolved, err := filepath.EvalSymlinks(existing); err == nil {
			return filepath.Join(resolved, missing)
		}
		existing, missing = filepath.Dir(existing), filepath.Join(filepath.Base(existing), missing)
	}
	return filepath.Join(existing, missing)
}

func waitForMountSource(ctx context.Context, source string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, mountSourceWait, errMountSourceMissing)
	defer cancel()
	poll := time.NewTicker(mountSourcePoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			if why := context.Cause(ctx); !errors.Is(why, errMountSourceMissing) {
				return fmt.Errorf("stopped waiting for mount source %q: %w", source, why)
			}
			return fmt.Errorf("mount source %q %w: waited %v, and nothing is created below /dev, /proc and /sys "+
				"(is the kernel module loaded, or the program running, that provides it?)",
				source, errMountSourceMissing, mountSourceWait)
		case <-poll.C:
			if _, err := os.Stat(source); err == nil {
				return nil
			}
		}
	}
}

var errMountSourceMissing = errors.New("does not exist")

// checkMountKind finds a file that is to be mounted on a directory, or the reverse, which runtimes report as "not a
// directory" without saying which of the two. It looks only where the answer is certain: the destination is a part of
// the root file system itself, with no earlier mount over it.
func checkMountKind(rootfs string, earlier []spec.Mount, mount spec.Mount) error {
	destination := filepath.Join("/", mount.Destination)
	covered := append([]spec.Mount{{Destination: "/proc"}, {Destination: "/dev"}, {Destination: "/sys"}, {Destination: "/run"}},
		earlier...)
	for _, other := range covered {
		below := filepath.Join("/", other.Destination)
		if destination == below || strings.HasPrefix(destination, strings.TrimSuffix(below, "/")+"/") {
			return nil
		}
	}
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil // checkRootfs has seen it: it vanished since, which the runtime will say
	}
	defer root.Close()
	inside, err := root.Stat(strings.TrimPrefix(destination, "/"))
	if err != nil {
		return nil // does not exist, so that the runtime makes one of the right kind
	}
	outside, err := os.Stat(mount.Source)
	if err == nil && outside.IsDir() != inside.IsDir() {
		return fmt.Errorf("mount source %q is %s, but %q in the container's root file system is %s",
			mount.Source, kind(outside), mount.Destination, kind(inside))
	}
	return nil
}

// kind names what a path leads to.
func kind(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	default:
		return "a special file"
	}
}

// cause leaves out the operation and path that the os package puts into its errors, where our text has them already.
func cause(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}
