package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/core/mount"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/spec"
)

// OverlayDir is the directory of one attempt's writable layer: <run>/rootfs/<id>.<attempt>.
func OverlayDir(runDir, id string, attempt uint64) string {
	return filepath.Join(runDir, "rootfs", id+"."+strconv.FormatUint(attempt, 10))
}

// OverlayRootfs creates the writable layer of one attempt below runDir and returns the overlay mount that puts it over
// the service's own directory. An earlier layer of the same attempt is emptied first. runDir should be a tmpfs, so that
// what a container writes is gone with the attempt; the shim makes the mount and undoes it.
func OverlayRootfs(service *spec.Service, host Host, runDir string, attempt uint64) (mount.Mount, error) {
	overlay, err := overlayMount(host.Rootfs(service.Name), OverlayDir(runDir, service.ID(), attempt))
	if err != nil {
		return mount.Mount{}, fmt.Errorf("cannot make the root file system of %q: %w", service.ID(), err)
	}
	return overlay, nil
}

func overlayMount(lower, directory string) (mount.Mount, error) {
	info, err := os.Stat(lower)
	if err != nil {
		return mount.Mount{}, err
	}
	if err := os.RemoveAll(directory); err != nil {
		return mount.Mount{}, err
	}
	upper, work := filepath.Join(directory, "upper"), filepath.Join(directory, "work")
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return mount.Mount{}, err
		}
	}
	if err := refuseOverlayOnOverlay(upper); err != nil {
		return mount.Mount{}, err
	}
	// The container's "/" has owner and mode of the upper layer: 0700 would shut out every user but root.
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(upper, int(owner.Uid), int(owner.Gid)); err != nil {
			return mount.Mount{}, err
		}
	}
	if err := os.Chmod(upper, info.Mode()&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky)); err != nil {
		return mount.Mount{}, err
	}
	return mount.Mount{Type: "overlay", Source: "overlay", Options: []string{
		"lowerdir=" + overlayPath.Replace(lower),
		"upperdir=" + overlayPath.Replace(upper),
		"workdir=" + overlayPath.Replace(work),
	}}, nil
}

// overlayPath escapes what the kernel takes for the end of an option or of a layer.
var overlayPath = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`)

// refuseOverlayOnOverlay says plainly what the kernel reports as "invalid argument". It happens where the daemon runs
// in a container whose run directory is not a tmpfs.
func refuseOverlayOnOverlay(upper string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(upper, &stat); err != nil {
		return &fs.PathError{Op: "statfs", Path: upper, Err: err}
	}
	if stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return fmt.Errorf("%q lies on an overlay file system, which cannot carry another: use a run directory on a tmpfs", upper)
	}
	return nil
}

// RemoveOverlay deletes the writable layer of one attempt. The overlay must not be mounted any more. A layer that is
// gone is no error.
func RemoveOverlay(runDir, id string, attempt uint64) error {
	err := os.RemoveAll(OverlayDir(runDir, id, attempt))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the writable layer of %q: %w", id, err)
	}
	return nil
}
