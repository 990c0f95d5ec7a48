package api

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListenMakesASocketForItsOwnerOnly(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)

	path := filepath.Join(t.TempDir(), SocketName)

	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}

	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
}

func TestListenReplacesTheSocketOfAKilledDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)

	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}

	dead.SetUnlinkOnClose(false)
	dead.Close()

	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}

	conn.Close()
}

func TestListenRefuses(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "file")

	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}

	living := filepath.Join(directory, "living")

	listener, err := Listen(living)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	for _, row := range []struct{ name, path, want string }{
		{"a file", file, "it exists and is no socket"},
		{"a living daemon", living, "another daemon answers there"},
		{"a long path", filepath.Join(directory, strings.Repeat("x", 108)), "a unix socket takes at most 107"},
		{"a missing directory", filepath.Join(directory, "missing", "s"), `missing/s": no such file or directory`},
	} {
		t.Run(row.name, func(t *testing.T) {
			listener, err := Listen(row.path)
			if err == nil {
				listener.Close()
				t.Fatal("no error")
			}

			if !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "cannot listen on ") {
				t.Errorf("error %q lacks %q", err, row.want)
			}
		})
	}

	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("the file is no longer what it was: %q, %v", content, err)
	}
}

func TestDialSaysWhatToDo(t *testing.T) {
	missing := filepath.Join(t.TempDir(), SocketName)

	_, err := Dial(missing)
	if !errors.Is(err, ErrNoDaemon) {
		t.Fatalf("error %v, want ErrNoDaemon", err)
	}

	if want := "no extactor daemon answers at " + missing + "; start one with: extactor daemon"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestDialWithoutPermission(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)

	listener, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	if os.Geteuid() == 0 {
		// Become another user as far as files are concerned, on this thread only, which is thrown away.
		runtime.LockOSThread()

		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}

		defer func() {
			if err := unix.Setfsuid(0); err == nil {
				runtime.UnlockOSThread()
			}
		}()
	} else if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}

	_, err = Dial(path)
	if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "root (sudo)") {
		t.Errorf("error %v", err)
	}
}
