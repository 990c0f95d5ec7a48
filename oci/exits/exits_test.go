package exits_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/extactor/extactor/oci/exits"
)

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	path := exits.Path(t.TempDir(), "ext-a", 3)
	if _, err := exits.Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a record that was not written: %v", err)
	}

	for _, want := range []exits.Record{{Status: 137, OOM: true, WallNS: 5, BootNS: 7}, {Status: 1}} {
		if err := exits.Write(path, want); err != nil {
			t.Fatal(err)
		}

		if got, err := exits.Read(path); err != nil || got != want {
			t.Errorf("read %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestDamagedRecordIsAnError(t *testing.T) {
	path := exits.Path(t.TempDir(), "ext-a", 3)
	if err := exits.Write(path, exits.Record{}); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte(`{"status":`), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := exits.Read(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error: %v", err)
	}
}

func TestRemoveTakesOnlyWhatIsMeant(t *testing.T) {
	run := t.TempDir()
	if err := exits.Remove(run, "ext-a", func(uint64) bool { return true }); err != nil {
		t.Fatal(err)
	}

	keep := []string{exits.Path(run, "ext-a", 2), exits.Path(run, "ext-ab", 1), exits.Path(run, "ext-b", 1)}
	for _, path := range append(keep, exits.Path(run, "ext-a", 1)) {
		if err := exits.Write(path, exits.Record{}); err != nil {
			t.Fatal(err)
		}
	}

	if err := exits.Remove(run, "ext-a", func(attempt uint64) bool { return attempt < 2 }); err != nil {
		t.Fatal(err)
	}

	for _, path := range keep {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}

	if _, err := os.Stat(exits.Path(run, "ext-a", 1)); err == nil {
		t.Error("the record is still there")
	}
}
