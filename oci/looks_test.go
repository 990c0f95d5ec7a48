package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/spec"
)

// silentFileSystem mounts a FUSE file system whose server never answers, until end is called.
func silentFileSystem(t *testing.T) (path string, end func()) {
	t.Helper()
	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	path = t.TempDir()
	if err == nil {
		options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse)
		err = unix.Mount("silent", path, "fuse.silent", unix.MS_NOSUID|unix.MS_NODEV, options)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs root and FUSE: %v", err)
		}
		t.Skipf("SKIPPED: needs root and FUSE: %v", err)
	}
	server := os.NewFile(uintptr(fuse), "fuse")
	end = func() { _ = server.Close() }
	t.Cleanup(func() {
		end()
		_ = unix.Unmount(path, unix.MNT_DETACH)
	})
	return path, end
}

// A look at a file system that does not answer is left alone when its start is given up, and the next one waits for its
// end instead of leaving another one behind.
func TestLookAtASilentFileSystem(t *testing.T) {
	silent, end := silentFileSystem(t)
	host := Host{RootfsDir: t.TempDir()}
	mustMkdir(t, host.Rootfs("x"), 0o755)
	service := &spec.Service{Name: "x", Container: spec.Container{Mounts: []spec.Mount{bind(silent, "/x")}}}
	var all looks
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := all.preflight(ctx, service, host)
		cancel()
		wantError(t, err, "stopped waiting for ")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that the time is over", err)
		}
		all.mu.Lock()
		if left := len(all.open); left != 1 {
			t.Errorf("%d looks are open", left)
		}
		all.mu.Unlock()
	}
	// Another service is not held up.
	other := &spec.Service{Name: "y"}
	mustMkdir(t, host.Rootfs("y"), 0o755)
	if err := all.preflight(t.Context(), other, host); err != nil {
		t.Error(err)
	}
	end()
	wantError(t, all.preflight(t.Context(), service, host), filepath.Base(silent), unix.ENOTCONN.Error())
	if len(all.open) > 0 {
		t.Errorf("%d looks are left", len(all.open))
	}
}
