package oci

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/spec"
)

// preflight runs the check for a service with the mounts, whose root file system has a file and a directory.
func preflight(t *testing.T, mounts ...spec.Mount) error {
	t.Helper()
	host := Host{RootfsDir: t.TempDir()}
	mustMkdir(t, filepath.Join(host.Rootfs("x"), "directory"), 0o755)
	mustWrite(t, filepath.Join(host.Rootfs("x"), "file"), "", 0o644)
	return Preflight(t.Context(), &spec.Service{Name: "x", Container: spec.Container{Mounts: mounts}}, host)
}

func bind(source, destination string) spec.Mount {
	return spec.Mount{Source: source, Destination: destination, Type: "bind", Options: []string{"bind"}}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", parts)
	}
	for _, part := range append(parts, `cannot start "ext-x": `) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func TestPreflightRootfs(t *testing.T) {
	host := Host{RootfsDir: t.TempDir()}
	service := &spec.Service{Name: "x"}
	wantError(t, Preflight(t.Context(), service, host), host.Rootfs("x"), "does not exist")
	mustWrite(t, host.Rootfs("x"), "", 0o644)
	wantError(t, Preflight(t.Context(), service, host), "is a file, not a directory")
	if err := os.Remove(host.Rootfs("x")); err != nil {
		t.Fatal(err)
	}
	mustMkdir(t, host.Rootfs("x"), 0o755)
	if err := Preflight(t.Context(), service, host); err != nil {
		t.Error(err)
	}
}

func TestPreflightCreatesBindSources(t *testing.T) {
	directory := t.TempDir()
	for _, mount := range []spec.Mount{
		bind(filepath.Join(directory, "a", "b"), "/b"),
		{Source: filepath.Join(directory, "c"), Destination: "/c", Options: []string{"rbind", "rw"}},
		{Source: filepath.Join(directory, "d"), Destination: "/d", Type: "none", Options: []string{"bind"}},
	} {
		if err := preflight(t, mount); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(mount.Source)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s has mode %v", mount.Source, info.Mode())
		}
	}
}

func TestPreflightLeavesOtherMountsAlone(t *testing.T) {
	source := filepath.Join(t.TempDir(), "never")
	if err := preflight(t, spec.Mount{Source: source, Destination: "/x", Type: "tmpfs"},
		spec.Mount{Source: "tmpfs", Destination: "/y", Type: "tmpfs"}); err != nil {
		t.Fatal(err)
	}
	if fileExists(source) {
		t.Error("the source of a mount that is not a bind was created")
	}
}

func TestPreflightMountSourceErrors(t *testing.T) {
	directory := t.TempDir()
	mustWrite(t, filepath.Join(directory, "file"), "", 0o644)
	for name, target := range map[string]string{"dangling": "/does/not/exist"} {
		if err := os.Symlink(target, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(directory, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		mount spec.Mount
		want  string
	}{
		{"relative", bind("var/lib", "/a"), "is not an absolute path"},
		{"dangling link", bind(filepath.Join(directory, "dangling"), "/a"), `is a symbolic link to "/does/not/exist", which does not exist`},
		{"below a file", bind(filepath.Join(directory, "file", "x"), "/a"), "not a directory"},
		{"file on a directory", bind(filepath.Join(directory, "file"), "/directory"),
			`is a file, but "/directory" in the container's root file system is a directory`},
		{"pipe on a directory", bind(filepath.Join(directory, "pipe"), "/directory"), "is a named pipe, but"},
		{"directory on a file", bind(directory, "/file"), `is a directory, but "/file" in the container's root file system is a file`},
	} {
		t.Run(row.name, func(t *testing.T) { wantError(t, preflight(t, row.mount), row.want) })
	}
}

// A mount over the destination's parent hides what the root file system has there, so that nothing can be said.
func TestPreflightKindBehindAnotherMount(t *testing.T) {
	directory := t.TempDir()
	mustMkdir(t, filepath.Join(directory, "over"), 0o755)
	mustWrite(t, filepath.Join(directory, "source"), "", 0o644)
	if err := preflight(t, bind(filepath.Join(directory, "over"), "/directory"),
		bind(filepath.Join(directory, "source"), "/directory")); err != nil {
		t.Error(err)
	}
}

func TestPreflightReadOnlyHost(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "root: makes a mount")
	}
	directory := t.TempDir()
	if err := unix.Mount("tmpfs", directory, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(directory, 0); err != nil {
			t.Error(err)
		}
	})
	wantError(t, preflight(t, bind(filepath.Join(directory, "x"), "/x")), "does not exist and cannot be created: read-only file system")
}

// The clock of the bubble is virtual: the wait is exactly 5 s, and takes no time.
func TestPreflightWaitsForKernelFileSystems(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/dev", link); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"/dev/extactor-none", "/proc/extactor-none", "/sys/extactor-none",
		filepath.Join(link, "extactor-none"), filepath.Join(link, "not", "extactor-none")} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			wantError(t, preflight(t, bind(source, "/x")), source, "does not exist", "waited 5s")
			if waited := time.Since(began); waited != 5*time.Second {
				t.Errorf("waited %v", waited)
			}
		})
		if fileExists(source) {
			t.Errorf("%s was created", source)
			_ = os.Remove(source)
		}
	}
}

func TestPreflightSourceAppears(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "root: writes to /dev")
	}
	source := "/dev/" + filepath.Base(filepath.Dir(t.TempDir())) + "-appears"
	t.Cleanup(func() { _ = os.Remove(source) })
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		time.AfterFunc(2*time.Second, func() {
			if err := os.WriteFile(source, nil, 0o600); err != nil {
				t.Error(err)
			}
		})
		if err := preflight(t, bind(source, "/x")); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited < 2*time.Second || waited > 2*time.Second+2*mountSourcePoll {
			t.Errorf("waited %v for a file that appeared after 2s", waited)
		}
	})
}

func TestPreflightEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		host := Host{RootfsDir: t.TempDir()}
		mustMkdir(t, host.Rootfs("x"), 0o755)
		service := &spec.Service{Name: "x", Container: spec.Container{Mounts: []spec.Mount{bind("/dev/extactor-none", "/x")}}}
		if err := Preflight(ctx, service, host); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that it was cancelled", err)
		}
	})
}
