package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T, run, state string) instance {
	t.Helper()

	found, err := loadInstance(run, state)
	if err != nil {
		t.Fatal(err)
	}

	return found
}

func store(t *testing.T, one instance, dir string) (same bool) {
	t.Helper()

	same, err := one.store(dir)
	if err != nil {
		t.Fatal(err)
	}

	return same
}

var identical = cmp.AllowUnexported(instance{})

func TestInstanceIsKeptByTheStateDirectory(t *testing.T) {
	run, state := t.TempDir(), t.TempDir()
	first := load(t, run, state)

	if !store(t, first, state) {
		t.Error("another identity was found in an empty directory")
	}

	for _, nextRun := range []string{run, t.TempDir()} { // the same boot, and the next one
		if diff := cmp.Diff(first, load(t, nextRun, state), identical); diff != "" {
			t.Error(diff)
		}
	}
}

// A state directory that appears late keeps its identity: it counts from the next boot on.
func TestLateStateDirectoryKeepsItsIdentity(t *testing.T) {
	state, run := t.TempDir(), t.TempDir()
	old := load(t, t.TempDir(), "")
	store(t, old, state)

	late := load(t, run, "") // the state directory is not there yet
	if store(t, late, state) {
		t.Error("the other identity was not noticed")
	}

	if diff := cmp.Diff(late, load(t, run, state), identical); diff != "" {
		t.Errorf("the next daemon of this boot: %s", diff)
	}

	if diff := cmp.Diff(old, load(t, t.TempDir(), state), identical); diff != "" {
		t.Errorf("the next boot: %s", diff)
	}
}

func TestHalfAnIdentityIsReplaced(t *testing.T) {
	for name, content := range map[string]string{"instance": "no UUID", "key": "short"} {
		state := t.TempDir()
		one := load(t, t.TempDir(), "")
		store(t, one, state)

		if err := os.WriteFile(filepath.Join(state, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}

		other := load(t, t.TempDir(), state)
		if other.id == one.id || bytes.Equal(other.key, one.key) {
			t.Errorf("half an identity was used: %q", other.id)
		}

		if !store(t, other, state) || cmp.Diff(other, load(t, t.TempDir(), state), identical) != "" {
			t.Errorf("the damaged %s was not replaced", name)
		}
	}
}
