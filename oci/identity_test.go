package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func identityOf(t *testing.T, directory, entrypoint string) string {
	t.Helper()

	identity, err := RootfsIdentity(directory, "x", entrypoint)
	if err != nil {
		t.Fatal(err)
	}

	return identity
}

func TestRootfsIdentity(t *testing.T) {
	directory := t.TempDir()
	rootfs := filepath.Join(directory, "x")
	program := filepath.Join(rootfs, "bin", "program")
	other := filepath.Join(rootfs, "bin", "other")

	mustMkdir(t, filepath.Dir(program), 0o755)
	mustWrite(t, program, "program", 0o755)
	mustWrite(t, other, "data", 0o644)

	moment := time.Unix(1_000_000_000, 1)
	touch := func(path string) {
		t.Helper()

		moment = moment.Add(time.Second)
		if err := os.Chtimes(path, moment, moment); err != nil {
			t.Fatal(err)
		}
	}

	before := identityOf(t, directory, "/bin/program")
	same := func(what string, want bool) {
		t.Helper()

		now := identityOf(t, directory, "/bin/program")
		if (now == before) != want {
			t.Errorf("%s: was %s, is %s", what, before, now)
		}

		before = now
	}

	same("nothing", true)
	equal(t, "by a relative path", identityOf(t, directory, "./bin/program"), before)
	touch(other)
	same("another file changed", true)
	touch(program)
	same("the program changed", false)
	touch(rootfs)
	same("the directory changed", false)

	// The same times, but another file, and then another directory.
	mustWrite(t, program+".new", "program", 0o755)

	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.Chtimes(program+".new", info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(program+".new", program); err != nil {
		t.Fatal(err)
	}

	same("the program was replaced", false)

	if err := os.Rename(rootfs, rootfs+".old"); err != nil {
		t.Fatal(err)
	}

	if err := os.CopyFS(rootfs, os.DirFS(rootfs+".old")); err != nil {
		t.Fatal(err)
	}

	same("the directory was replaced", false)
}

func TestRootfsIdentityStaysInside(t *testing.T) {
	directory := t.TempDir()
	rootfs := filepath.Join(directory, "x")
	mustMkdir(t, filepath.Join(rootfs, "bin"), 0o755)
	mustWrite(t, filepath.Join(rootfs, "bin", "program"), "program", 0o755)
	mustWrite(t, filepath.Join(directory, "outside"), "outside", 0o755)

	for name, target := range map[string]string{
		"absolute": "/bin/program", "relative": "bin/program", "above": "../../../bin/program",
		"host": filepath.Join(directory, "outside"), "escape": "../outside", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(rootfs, name)); err != nil {
			t.Fatal(err)
		}
	}

	program := identityOf(t, directory, "bin/program")
	if strings.HasSuffix(program, "/") {
		t.Fatalf("the program has no identity: %s", program)
	}

	for _, link := range []string{"absolute", "/relative", "./above", "../bin/program"} {
		equal(t, link, identityOf(t, directory, link), program)
	}

	for _, entrypoint := range []string{"host", "escape", "loop", "missing", "bin/program/below", strings.Repeat("x", 300)} {
		if identity := identityOf(t, directory, entrypoint); !strings.HasSuffix(identity, "/") {
			t.Errorf("%s leads to %s", entrypoint, identity)
		}
	}

	if _, err := RootfsIdentity(directory, "missing", "x"); err == nil || !strings.Contains(err.Error(), `missing": no such file`) {
		t.Errorf("error: %v", err)
	}
}
