package program_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci/program"
)

// copyOf copies a program, and adds bytes that it does not read.
func copyOf(t *testing.T, path, name, more string) string {
	t.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	target := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(target, append(content, more...), 0o755); err != nil {
		t.Fatal(err)
	}

	return target
}

// run starts a program that copies its input until the test ends.
func run(t *testing.T, path string) *program.Program {
	t.Helper()

	command := exec.Command(path)

	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		input.Close()
		_ = command.Wait()
	})

	// It has answered, so that it is what it is to be, and no longer its parent's image.
	if _, err := input.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}

	if _, err := io.ReadFull(output, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	running, err := program.Of(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { running.Close() })

	return running
}

func TestAnotherBuildIsAnotherProgram(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}

	file := copyOf(t, cat, "cat", "first build")
	running := run(t, file)

	is := func(path string, want bool) {
		t.Helper()

		if same, err := running.Is(path); err != nil || same != want {
			t.Errorf("is %q: %v, %v", path, same, err)
		}
	}

	is(file, true)
	is(copyOf(t, cat, "again", "first build"), true)
	is(copyOf(t, cat, "other", "other build"), false)
	is(copyOf(t, cat, "longer", "first build, and more"), false)

	if _, err := running.Is(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing program is compared")
	}

	// A package replaces the file under the process.
	if err := os.Rename(copyOf(t, cat, "next", "other build"), file); err != nil {
		t.Fatal(err)
	}

	is(file, false)

	if output, err := exec.Command(running.Path(), "/proc/self/comm").CombinedOutput(); err != nil {
		t.Errorf("it cannot be run again: %v: %s", err, output)
	}
}

func TestDescribed(t *testing.T) {
	for _, c := range []struct{ running, next, want string }{
		{"v0.3.0", "v0.4.0", "extactor v0.3.0, to be replaced by v0.4.0"},
		{"v0.4.0", "v0.4.0", "another build of extactor v0.4.0, to be replaced"},
		{"", "v0.4.0", "another version of extactor, to be replaced by v0.4.0"},
	} {
		if got := program.Described(c.running, c.next); got != c.want {
			t.Errorf("%q, %q: %q", c.running, c.next, got)
		}
	}
}

func TestNotedVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")

	if version := program.NotedVersion(path); version != "" {
		t.Errorf("without a file: %q", version)
	}

	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	for _, version := range []string{"v0.10.0-long", "v1"} {
		program.NoteVersion(file, version)

		if noted := program.NotedVersion(path); noted != version {
			t.Errorf("noted %q", noted)
		}
	}
}
