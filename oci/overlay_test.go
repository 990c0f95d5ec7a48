package oci

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"

	"github.com/extactor/extactor/spec"
)

// mountOverlay mounts the service's overlay for the attempt until the end of the test.
func mountOverlay(t *testing.T, host Host, runDir string, attempt uint64) string {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "root: makes a mount")
	}
	overlay, err := OverlayRootfs(&spec.Service{Name: "x"}, host, runDir, attempt)
	if err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	if err := overlay.Mount(target); err != nil {
		t.Fatalf("%v: %v", overlay, err)
	}
	t.Cleanup(func() {
		if err := mount.UnmountAll(target, 0); err != nil {
			t.Error(err)
		}
	})
	return target
}

func TestOverlayKeepsTheServicesDirectory(t *testing.T) {
	host, runDir := Host{RootfsDir: t.TempDir()}, t.TempDir()
	mustMkdir(t, host.Rootfs("x"), 0o700)
	if err := os.Chmod(host.Rootfs("x"), 0o751); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(host.Rootfs("x"), "own"), "own", 0o644)
	first := mountOverlay(t, host, runDir, 1)
	mustWrite(t, filepath.Join(first, "own"), "changed", 0o644)
	mustWrite(t, filepath.Join(first, "new"), "new", 0o644)
	info, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mode of /", info.Mode(), os.ModeDir|0o751)
	own, err := os.ReadFile(filepath.Join(host.Rootfs("x"), "own"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the service's own file", string(own), "own")
	second := mountOverlay(t, host, runDir, 2)
	if fileExists(filepath.Join(second, "new")) {
		t.Error("the second attempt sees what the first wrote")
	}
}

func TestOverlayStartsEmptyAndIsRemoved(t *testing.T) {
	host, runDir := Host{RootfsDir: t.TempDir()}, t.TempDir()
	mustMkdir(t, host.Rootfs("x"), 0o755)
	service := &spec.Service{Name: "x"}
	left := filepath.Join(OverlayDir(runDir, "ext-x", 7), "upper", "left")
	mustMkdir(t, left, 0o755)
	if _, err := OverlayRootfs(service, host, runDir, 7); err != nil {
		t.Fatal(err)
	}
	if fileExists(left) {
		t.Error("what an earlier daemon left in the layer is still there")
	}
	for range 2 { // the second time it is gone already
		if err := RemoveOverlay(runDir, "ext-x", 7); err != nil {
			t.Fatal(err)
		}
	}
	if fileExists(OverlayDir(runDir, "ext-x", 7)) {
		t.Error("the layer is still there")
	}
}

func TestOverlayPathsWithOptionCharacters(t *testing.T) {
	for _, name := range []string{"comma,", "colon:", `back\slash`, `all,:\,:\`, "space and 'quote\""} {
		t.Run(name, func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), name)
			host := Host{RootfsDir: directory}
			mustMkdir(t, host.Rootfs("x"), 0o755)
			mustWrite(t, filepath.Join(host.Rootfs("x"), "own"), "own", 0o644)
			target := mountOverlay(t, host, filepath.Join(directory, "run"), 1)
			if !fileExists(filepath.Join(target, "own")) {
				t.Error("the service's file is not seen")
			}
			mustWrite(t, filepath.Join(target, "new"), "new", 0o644)
			if !fileExists(filepath.Join(OverlayDir(filepath.Join(directory, "run"), "ext-x", 1), "upper", "new")) {
				t.Error("what was written is not in the attempt's layer")
			}
		})
	}
}

func TestOverlayOnOverlay(t *testing.T) {
	host := Host{RootfsDir: t.TempDir()}
	mustMkdir(t, host.Rootfs("x"), 0o755)
	onOverlay := mountOverlay(t, host, t.TempDir(), 1)
	_, err := OverlayRootfs(&spec.Service{Name: "x"}, host, onOverlay, 1)
	if err == nil {
		t.Fatal("no error")
	}
	equal(t, "error", err.Error(), `cannot make the root file system of "ext-x": "`+OverlayDir(onOverlay, "ext-x", 1)+
		`/upper" lies on an overlay file system, which cannot carry another: use a run directory on a tmpfs`)
}

func TestOverlayOfMissingRootfs(t *testing.T) {
	host, runDir := Host{RootfsDir: t.TempDir()}, t.TempDir()
	if _, err := OverlayRootfs(&spec.Service{Name: "x"}, host, runDir, 1); err == nil {
		t.Error("no error")
	}
	if fileExists(OverlayDir(runDir, "ext-x", 1)) {
		t.Error("a layer was left behind")
	}
}
