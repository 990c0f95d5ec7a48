package journal_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

func recorded(t *testing.T, decisions int) *journal.Journal {
	t.Helper()

	j := open(t, journal.Options{Dir: t.TempDir(), Snapshot: func(context.Context) error { return nil }})
	for number := range decisions {
		j.Append(journaltest.Decision("ext-a", number))
	}

	return j
}

// A backup is whole, for its owner alone, never over another file unless that is meant, and can be taken while others write.
func TestBackup(t *testing.T) {
	j := recorded(t, 100)
	path := filepath.Join(t.TempDir(), "backup.db")

	ended := make(chan struct{})
	go func() {
		defer close(ended)

		for number := range 200 {
			j.Append(journaltest.Decision("ext-b", number))
		}
	}()

	newest, err := j.Backup(t.Context(), path, false)
	if err != nil || newest < 300 || newest%3 != 0 {
		t.Fatalf("newest is %d, %v", newest, err)
	}

	<-ended

	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode is %v, %v", info.Mode(), err)
	}

	reader, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	if found, err := reader.Verify(t.Context()); err != nil || found.Records != newest || len(found.Problems) > 0 {
		t.Fatalf("%+v, %v", found, err)
	}

	if _, err := j.Backup(t.Context(), path, false); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Fatalf("a file that exists: %v", err)
	}

	again, err := j.Backup(t.Context(), path, true)
	if err != nil || again != 900 {
		t.Fatalf("with force: %d, %v", again, err)
	}

	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Fatalf("left are %v, %v", left, err)
	}
}

// Pruning keeps the lines of EVENTS and everything from some sequence on.
func TestPruneByHand(t *testing.T) {
	j := recorded(t, 1000)

	if _, err := j.Prune(t.Context(), 0); err != nil || j.Status().Bytes < 3000*100 {
		t.Fatalf("where nothing was deleted there are %d bytes; %v", j.Status().Bytes, err)
	}

	floor, err := j.Prune(t.Context(), 2000)
	if err != nil || floor < 1990 || floor > 2000 {
		t.Fatalf("floor is %d, %v", floor, err)
	}

	if asked, err := j.Floor(t.Context()); err != nil || asked != floor {
		t.Fatalf("asked, the floor is %d, %v", asked, err)
	}

	fold, err := j.At(t.Context(), 2500)
	if err != nil || fold.Past().Before != floor {
		t.Fatalf("nothing says that records are missing: %+v, %v", fold.Past(), err)
	}

	if lines, err := j.Tail("ext-a", 64); err != nil || len(lines) != 64 {
		t.Fatal(len(lines), err)
	}
}

// Where every service has said all of itself since old records were deleted, nothing is missing: ours by snapshots, others
// each time.
func TestNothingIsMissingAfterSnapshots(t *testing.T) {
	at := &events.Instant{WallNs: 1, BootNs: 1}
	entry := func(fact events.Fact, state, message string) []events.Entry {
		return []events.Entry{{Event: events.New(fact), State: state, Message: message}}
	}

	var j *journal.Journal

	j = open(t, journal.Options{Dir: t.TempDir(), Snapshot: func(context.Context) error {
		j.Append(events.Decision{Service: "ext-a", At: at, Entries: entry(&events.Snapshot{State: events.StateRunning, Whole: true}, events.StateRunning, "")})

		return nil
	}})

	for number := range 100 {
		j.Append(journaltest.Decision("ext-a", number))
		j.Append(events.Decision{Service: "containerd", At: at, Entries: entry(&events.RuntimeConnected{}, events.StateRunning, "Connected")})
	}

	floor, err := j.Prune(t.Context(), 300)
	if err != nil || floor < 200 {
		t.Fatalf("floor is %d, %v", floor, err)
	}

	for seq, before := range map[uint64]uint64{math.MaxInt64: 0, 380: floor} { // 380 is before the snapshot
		fold, err := j.At(t.Context(), seq)
		if err != nil || len(fold.Past().Views) != 2 || fold.Past().Before != before {
			t.Errorf("at %d records before %d are missing, want %d; %v", seq, fold.Past().Before, before, err)
		}
	}
}

// What is not a whole and right export makes nothing.
func TestImportRefuses(t *testing.T) {
	reader, err := journal.OpenReadOnly(recorded(t, 3).Status().Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	var export bytes.Buffer
	if _, _, err := reader.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}

	whole := export.String()
	lines := strings.SplitAfter(whole, "\n")

	for name, content := range map[string]string{
		"before its last line": strings.Join(lines[:5], ""),
		"first line":           "{}\n",
		"version 2":            strings.Replace(whole, `"version":1`, `"version":2`, 1),
		"checksum":             strings.Replace(whole, `"message":"Started 1"`, `"message":"Started 7"`, 1),
		"says that it has":     strings.Join(append(lines[:2:2], lines[3:]...), ""),
		"line 2":               lines[0] + "not json\n",
	} {
		path := filepath.Join(t.TempDir(), "imported.db")

		if _, err := journal.Import(t.Context(), strings.NewReader(content), path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}

		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was made: %v", name, err)
		}
	}

	path := filepath.Join(t.TempDir(), "imported.db")
	for try, want := range []string{"", "exists"} {
		if _, err := journal.Import(t.Context(), strings.NewReader(whole), path); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("try %d: %v", try, err)
		}
	}
}

// Texts that are not UTF-8 survive an export.
func TestExportOfAnyText(t *testing.T) {
	j := open(t, journal.Options{Dir: t.TempDir()})
	decision := journaltest.Decision("ext-a", 1)
	decision.Entries[1].Message = "bad \xff\xfe text"
	j.Append(decision)

	reader, err := journal.OpenReadOnly(j.Status().Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	var export bytes.Buffer
	if _, _, err := reader.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "imported.db")
	if _, err := journal.Import(t.Context(), &export, path); err != nil {
		t.Fatal(err)
	}

	imported, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer imported.Close()

	if lines, err := imported.Tail("", 1); err != nil || len(lines) != 1 || lines[0].Message != "bad \xff\xfe text" {
		t.Fatalf("%v, %v", lines, err)
	}
}

// A damaged record at the end says nothing: the past ends with the one before it.
func TestTheEndIsSound(t *testing.T) {
	j := recorded(t, 3)
	path := j.Status().Path

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	database, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}

	_, err = database.Exec("UPDATE records SET wall_ns = 0, boot = 'none', run = 'none' WHERE seq > 6")
	if err := errors.Join(err, database.Close()); err != nil {
		t.Fatal(err)
	}

	reader, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	seq, at, boot := reader.End()
	if seq != 6 || at.WallNS == 0 || boot == "none" {
		t.Errorf("it ends with record %d at %v of boot %q", seq, at, boot)
	}

	if fold, err := reader.At(t.Context(), 9); err != nil || len(fold.Past().Views) != 1 {
		t.Errorf("%+v, %v", fold, err)
	}

	if boots, err := reader.Boots(t.Context()); err != nil || len(boots) != 1 {
		t.Errorf("%+v, %v", boots, err)
	}
}

// What an older version wrote can be asked for the past.
func TestOlderFormatIsRead(t *testing.T) {
	for _, schema := range []string{"schema1", "schema2"} {
		reader, err := journal.OpenReadOnly(filepath.Join("testdata", "frozen", schema))
		if err != nil {
			t.Fatal(err)
		}

		seq, _, _ := reader.End()

		fold, err := reader.At(t.Context(), seq)
		if err != nil || fold.Past().Seq != seq || len(fold.Past().Views) == 0 {
			t.Errorf("%s: %+v, %v", schema, fold.Past(), err)
		}

		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}
