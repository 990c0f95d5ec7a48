package journal_test

import (
	"bytes"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// image makes the files of a journal with synced records, as they are after Close or after the daemon was killed.
func image(t *testing.T, crashed bool) string {
	t.Helper()

	dir := filepath.Join(t.TempDir(), "state")
	j := open(t, journal.Options{Dir: dir})

	for number := range written {
		j.Append(journaltest.Decision("ext-a", number))
	}

	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}

	if !crashed {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}

	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(copied, 0o700); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"journal.db", "journal.db-wal", "journal.head"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}

		put(t, copied, name, content)
	}

	return copied
}

func put(t *testing.T, dir, name string, content []byte) {
	t.Helper()

	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit changes the bytes of a file.
func edit(name string, change func(t *testing.T, content []byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()

		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}

		put(t, dir, name, change(t, content))
	}
}

func nothing(*testing.T, string) {}

// leftover is what a daemon leaves that is killed while it makes a new database.
func leftover(t *testing.T, dir string) {
	t.Helper()

	restored := filepath.Join(dir, "journal.restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}

	put(t, restored, "journal.db", []byte("half of it"))
}

func both(first, second func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		first(t, dir)
		second(t, dir)
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()

		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func resize(name string, share float64) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte { return content[:int(share*float64(len(content)))] })
}

func shorten(name string, by int) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte { return content[:len(content)-by] })
}

func flipAt(name string, share float64) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte {
		content[int(share*float64(len(content)))] ^= 0x10

		return content
	})
}

func overwrite(name string) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte {
		return bytes.Repeat([]byte("garbage, not a database. "), 1+len(content)/25)
	})
}

func flipText(text string) func(*testing.T, string) {
	return edit("journal.db", func(t *testing.T, content []byte) []byte {
		at := bytes.Index(content, []byte(text))
		if at < 0 {
			t.Fatalf("%q is not in the database", text)
		}

		content[at+2] ^= 0x01

		return content
	})
}

const pageSize = 4096

// flipPage damages the type of a page that holds rows.
var flipPage = edit("journal.db", func(t *testing.T, content []byte) []byte {
	for page := len(content)/pageSize - 1; page > 0; page-- {
		if content[page*pageSize] == 0x0d { // a leaf of a table
			content[page*pageSize] ^= 0x40

			return content
		}
	}

	t.Fatal("no page with rows")

	return nil
})

// flipIndex makes the index name another service for one row.
var flipIndex = edit("journal.db", func(t *testing.T, content []byte) []byte {
	for page := 1; page < len(content)/pageSize; page++ {
		cell := content[page*pageSize : (page+1)*pageSize]
		if at := bytes.LastIndex(cell, []byte("ext-a")); cell[0] == 0x0a && at > 0 { // a leaf of an index
			cell[at+4] = 'b'

			return content
		}
	}

	t.Fatal("no page of the index")

	return nil
})

func statement(text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()

		database, err := sql.Open("sqlite", filepath.Join(dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer database.Close()

		if _, err := database.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}

// noise writes over a part of a file what nobody can make sense of.
func noise(name string, from, to int) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte {
		random := rand.New(rand.NewPCG(uint64(from), uint64(to)))
		for at := from; at < min(to, len(content)); at++ {
			content[at] = byte(random.Uint32())
		}

		return content
	})
}

func zeros(name string, from, to int) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte {
		clear(content[from:to])

		return content
	})
}

// cut leaves only so many bytes of a file.
func cut(name string, left int) func(*testing.T, string) {
	return edit(name, func(_ *testing.T, content []byte) []byte { return content[:left] })
}
