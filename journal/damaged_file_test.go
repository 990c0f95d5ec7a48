//go:build !race

// Under the race detector SQLite's code takes fifty times as long to find out what it cannot read, in one goroutine.

package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/journal"
)

// A page of the database that is gone costs what is on it, and no more.
func TestHalfDamagedFileIsRead(t *testing.T) {
	j := recorded(t, 2000)
	path := j.Status().Path

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	half := len(content) / 2 / 4096 * 4096
	for i := range 4 * 4096 {
		content[half+i] = 0xa5
	}

	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}

	reader, err := journal.OpenReadOnly(damaged)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	found, err := reader.Verify(t.Context())
	if err != nil || found.Records < 5000 || found.Records >= 6000 || len(found.Problems) < 2 {
		t.Fatalf("%+v, %v", found, err)
	}

	if seq, _, _ := reader.End(); seq != 6000 {
		t.Fatalf("the newest record is %d", seq)
	}

	if fold, err := reader.At(t.Context(), 6000); err != nil || len(fold.Past().Views) != 1 {
		t.Fatal(fold.Past(), err)
	}
}

// Of a database that was cut off what is before the cut can be read, of which SQLite itself reads nothing.
func TestCutOffDatabaseIsRead(t *testing.T) {
	const decisions = 2000

	j := recorded(t, decisions)
	path := j.Status().Path

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	for name, left := range map[string]int{"at a page": len(content) / 2 / 4096 * 4096, "within a page": len(content)/2 + 1000} {
		cut := filepath.Join(t.TempDir(), "cut.db")
		if err := os.WriteFile(cut, content[:left], 0o600); err != nil {
			t.Fatal(err)
		}

		reader, err := journal.OpenReadOnly(cut)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		found, err := reader.Verify(t.Context())
		if err != nil || found.Records < decisions || found.Records > 2*decisions || !strings.Contains(strings.Join(found.Problems, "; "), "its structure is damaged") {
			t.Errorf("%s: %+v, %v", name, found, err)
		}

		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}
