package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// What leads to the records may be gone: those that are left are read all the same, and what is missing is told.
func TestDamagedFileIsRead(t *testing.T) {
	t.Parallel()

	const roots = 4 * pageSize // the first page, and those from which the tables and the index begin

	for _, row := range []struct {
		name string
		do   func(*testing.T, string)
		left map[bool]int // records, by whether the daemon was killed, so that all of them are in the write-ahead log
	}{
		{"header zeroed", zeros("journal.db", 0, 100), either(rows)},
		{"header garbage", noise("journal.db", 0, 100), either(rows)},
		{"first 512 bytes garbage", noise("journal.db", 0, 512), either(rows)},
		{"first page garbage", noise("journal.db", 0, pageSize), either(rows)},
		{"first page zeroed", zeros("journal.db", 0, pageSize), either(rows)},
		{"schema zeroed", zeros("journal.db", 100, pageSize), either(rows)},
		{"application id", noise("journal.db", 68, 72), either(rows)},
		{"schema version zeroed", zeros("journal.db", 60, 64), either(rows)},
		{"letter of the schema", flipText("payload      BLOB"), map[bool]int{false: rows, true: rows}},
		{"roots garbage", noise("journal.db", 0, roots), either(rows)},
		{"all but the last page garbage", noise("journal.db", 0, 8*pageSize), map[bool]int{false: -1, true: rows}},
		{"cut within the first page", cut("journal.db", 1000), map[bool]int{true: rows}},
		{"cut within the header", cut("journal.db", 50), map[bool]int{true: rows}},
		{"nothing", cut("journal.db", 0), map[bool]int{true: rows}},
		{"deleted", remove("journal.db"), map[bool]int{true: rows}},
		{"cut in the middle", cut("journal.db", 8*pageSize), map[bool]int{false: -1}},
		{"everything garbage", func(t *testing.T, dir string) {
			noise("journal.db", 0, math.MaxInt)(t, dir)
			noise("journal.db-wal", 0, math.MaxInt)(t, dir)
		}, nil},
	} {
		for _, crashed := range []bool{false, true} {
			if crashed && row.name == "cut in the middle" {
				continue // then the database is shorter than that
			}

			t.Run(fmt.Sprintf("%s, killed %t", row.name, crashed), func(t *testing.T) {
				t.Parallel()

				dir := image(t, crashed)
				row.do(t, dir)

				left, told := readDamaged(t, dir)
				if want := row.left[crashed]; want >= 0 && left != want || want < 0 && (left == 0 || left == rows) {
					t.Errorf("%d of %d records are left; told is: %s", left, rows, told)
				}

				if told == "" && !crashed { // else the write-ahead log has what is damaged here
					t.Error("nothing says that it is damaged")
				}
			})
		}
	}
}

func either(count int) map[bool]int { return map[bool]int{false: count, true: count} }

// readDamaged reads a file with what is beside it, and returns how many records there are and what is told. Each record must
// be as it was written, or be told to be missing.
func readDamaged(t *testing.T, dir string) (left int, told string) {
	t.Helper()

	before := content(t, dir)

	reader, err := journal.OpenReadOnly(dir)
	if err != nil {
		return 0, err.Error()
	}
	defer reader.Close()

	found := map[uint64]bool{}

	if err := reader.Each(t.Context(), 0, math.MaxInt64, func(record events.Record) bool {
		found[record.Seq] = true
		want := journaltest.Decision("ext-a", int(record.Seq-1)/3)

		if record.Command == nil {
			entry := want.Entries[(record.Seq-1)%3-1]
			if !proto.Equal(entry.Event, record.Event) || record.Message != entry.Message {
				t.Errorf("record %d is not what it was: %q %v", record.Seq, record.Message, record.Event)
			}
		}

		return true
	}); err != nil {
		t.Errorf("cannot read all of %s: %v", dir, err)
	}

	told = strings.Join(reader.Problems(), "; ")

	for seq := range uint64(rows) {
		if !found[seq+1] && !missingIn(reader.Problems(), seq+1) && !slices.Contains(reader.Damaged(), seq+1) {
			t.Errorf("record %d is not there, and nothing says so: %s", seq+1, told)
		}
	}

	if !maps.EqualFunc(before, content(t, dir), bytes.Equal) {
		t.Error("the files were changed")
	}

	return len(found), told
}

// content is what is in a directory.
func content(t *testing.T, dir string) files {
	t.Helper()

	found := files{}
	entries, err := os.ReadDir(dir)

	for _, entry := range entries {
		if found[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			break
		}
	}

	if err != nil {
		t.Error(err)
	}

	return found
}

func missingIn(problems []string, seq uint64) bool {
	for _, problem := range problems {
		var from, to uint64
		if count, _ := fmt.Sscanf(problem, "records %d to %d", &from, &to); count == 2 && from <= seq && seq <= to {
			return true
		}

		if count, _ := fmt.Sscanf(problem, "record %d is missing", &from); count == 1 && from == seq {
			return true
		}
	}

	return false
}

// Whatever page is gone, only the records on it are.
func TestOnlyOnePageIsLost(t *testing.T) {
	t.Parallel()

	decisions := 400
	if underRace {
		decisions = 80
	}

	j := recorded(t, decisions)
	path := j.Status().Path

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	whole := read(t, path)
	damaged := filepath.Join(t.TempDir(), "journal.db")

	for at := 0; at < len(whole); at += pageSize {
		changed := bytes.Clone(whole)
		clear(changed[at : at+pageSize])

		if err := os.WriteFile(damaged, changed, 0o600); err != nil {
			t.Fatal(err)
		}

		reader, err := journal.OpenReadOnly(damaged)
		if err != nil {
			t.Fatalf("page %d: %v", at/pageSize+1, err)
		}

		found, err := reader.Verify(t.Context())
		if err != nil || found.Records < uint64(3*decisions-40) {
			t.Errorf("page %d: %d records are left; %v, %v", at/pageSize+1, found.Records, found.Problems, err)
		}

		if len(found.Problems) == 0 {
			t.Errorf("page %d: nothing says that it is gone", at/pageSize+1)
		}

		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Damage that comes to light while the daemon runs costs what is on the page, and services take snapshots.
func TestDamageWhileItIsUsed(t *testing.T) {
	t.Parallel()

	const decisions = 3000 // more than SQLite keeps in memory

	var taken atomic.Int32

	options := journal.Options{
		Dir: filepath.Join(t.TempDir(), "state"), Snapshot: func(context.Context) error { taken.Add(1); return nil },
	}
	j := open(t, options)

	for number := range decisions {
		j.Append(journaltest.Decision("ext-a", number))
	}

	j = reopen(t, j, options)
	await(t, j, "the check", checked)

	at := 100 * pageSize // of a page with records
	for content := read(t, j.Status().Path); content[at] != 0x0d; at += pageSize {
	}

	file, err := os.OpenFile(j.Status().Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}

	_, err = file.WriteAt(bytes.Repeat([]byte{0xa5}, pageSize), int64(at))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}

	before := sequences(t, j, "") // asks nothing of that page
	if err := j.Replay("ext-a", func(events.Record) bool { return true }); err == nil {
		t.Error("nothing came to light")
	}

	status := await(t, j, "the restored journal", func(status journal.Status) bool { return status.Checked && len(status.Losses) > 1 })

	if status.Degraded || !strings.Contains(status.Losses[0].Reason, "of its records could be read and are kept") || status.Lost == 0 || status.Lost > 50 {
		t.Errorf("%+v", status)
	}

	if left := sequences(t, j, "ext-a"); uint64(len(left)) != 3*decisions-status.Lost || left[len(left)-1] != 3*decisions || len(before) > 0 {
		t.Errorf("%d records are left, and %d are lost", len(left), status.Lost)
	}

	if receipt := j.Append(journaltest.Decision("ext-a", decisions)); receipt.Outcome != events.Recorded || receipt.Records[0].Seq != 3*decisions+1 {
		t.Errorf("the next one is %+v", receipt)
	}

	await(t, j, "snapshots", func(journal.Status) bool { return taken.Load() > 0 })
}
