package journal_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

const (
	written = 60          // decisions before the damage
	rows    = written * 3 // records of these
)

// damage is one way in which the files of a journal suffer, and what must be left.
type damage struct {
	name    string
	crashed bool                           // the image is that of a killed daemon, with the write-ahead log
	do      func(t *testing.T, dir string) // what happens to the files
	lost    func(records []uint64) bool    // of the sequences that are gone
	reports string                         // a loss with this in its reason; empty for none at all
	aside   bool                           // the database was renamed
	gap     bool                           // a Gap says what is gone
}

func none(lost []uint64) bool { return len(lost) == 0 }
func all(lost []uint64) bool  { return len(lost) == rows }
func some(lost []uint64) bool { return len(lost) > 0 && len(lost) < rows }
func one(lost []uint64) bool  { return len(lost) == 1 }
func tail(lost []uint64) bool {
	return len(lost) > 0 && len(lost) < rows && lost[0] == rows-uint64(len(lost))+1 && lost[len(lost)-1] == rows
}

var damages = []damage{
	{name: "nothing, closed", do: nothing, lost: none},
	{name: "nothing, killed", crashed: true, do: nothing, lost: none},
	{name: "torn tail of the log", crashed: true, do: resize("journal.db-wal", 0.7), lost: tail, reports: "missing at the end", gap: true},
	{name: "log without its last byte", crashed: true, do: shorten("journal.db-wal", 1), lost: tail, reports: "missing at the end", gap: true},
	{name: "flipped byte in the log", crashed: true, do: flipAt("journal.db-wal", 0.5), lost: tail, reports: "missing at the end", gap: true},
	{name: "missing log", crashed: true, do: remove("journal.db-wal"), lost: all, reports: "the journal was lost", gap: true},
	{name: "flipped byte in a message", do: flipText("Started 30"), lost: one, reports: "damaged"},
	{name: "flipped byte in a payload", do: flipText("\x08\x1e\x10\x1e\x1a\x01c"), lost: one, reports: "damaged"},
	{name: "flipped byte in the index", do: flipIndex, lost: none},
	{name: "flipped byte in a page header", do: flipPage, lost: none, reports: "180 of its records could be read", aside: true},
	{name: "flipped letter in the schema", do: flipText("payload      BLOB"), lost: none, reports: "the schema is damaged", aside: true},
	{name: "first page garbage", do: noise("journal.db", 0, pageSize), lost: none, reports: "set aside", aside: true},
	{name: "first page garbage, killed while it was restored", do: both(noise("journal.db", 0, pageSize), leftover), lost: none, reports: "set aside", aside: true},
	{name: "roots garbage", do: noise("journal.db", 0, 4*pageSize), lost: none, reports: "set aside", aside: true},
	{name: "first records gone", do: both(noise("journal.db", 0, pageSize), noise("journal.db", 4*pageSize, 5*pageSize)), lost: some, reports: "missing within", aside: true},
	{name: "truncated database", do: resize("journal.db", 0.5), lost: tail, reports: "set aside", aside: true, gap: true},
	{name: "empty database beside its log", crashed: true, do: resize("journal.db", 0), lost: none, reports: "only the write-ahead log", aside: true},
	{name: "missing database beside its log", crashed: true, do: remove("journal.db"), lost: none, reports: "only the write-ahead log", aside: true},
	{name: "empty database", do: resize("journal.db", 0), lost: all, reports: "the journal was lost", gap: true},
	{name: "missing database", do: remove("journal.db"), lost: all, reports: "the journal was lost", gap: true},
	{name: "garbage database", do: overwrite("journal.db"), lost: all, reports: "set aside", aside: true, gap: true},
	{name: "garbage everywhere but the head", crashed: true, do: both(overwrite("journal.db"), overwrite("journal.db-wal")), lost: all, reports: "set aside", aside: true, gap: true},
	{name: "database of a newer version", do: statement("PRAGMA user_version = 1000"), lost: all, reports: "schema version 1000", aside: true, gap: true},
	{name: "somebody else's database", do: statement("PRAGMA application_id = 7"), lost: all, reports: "application id", aside: true, gap: true},
	{name: "missing head", do: remove("journal.head"), lost: none},
	{name: "garbage head", do: overwrite("journal.head"), lost: none},
	{name: "one slot of the head", crashed: true, do: flipAt("journal.head", 0.02), lost: none},
	{name: "deleted row", do: statement("DELETE FROM records WHERE seq = 31"), lost: one, reports: "missing within"},
}

func TestDamage(t *testing.T) {
	for _, row := range damages {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()

			dir := image(t, row.crashed)
			row.do(t, dir)

			survived := checkDamage(t, row, dir, true)
			again := checkDamage(t, row, dir, false)

			if diff := cmp.Diff(survived, again[:len(survived)], protocmp.Transform()); diff != "" {
				t.Fatalf("the second start shows other records (-first +second):\n%s", diff)
			}
		})
	}
}

// checkDamage opens the journal and checks what is left; it returns the daemon's and the service's records.
func checkDamage(t *testing.T, row damage, dir string, first bool) []events.Record {
	t.Helper()

	j := open(t, journal.Options{Dir: dir})
	status := await(t, j, "the check", checked)

	if status.Degraded {
		t.Fatalf("degraded: %s", status.Reason)
	}

	var reasons []string
	for _, loss := range status.Losses {
		reasons = append(reasons, loss.Reason)
	}

	if told := strings.Join(reasons, "; "); first && (!strings.Contains(told, row.reports) || row.reports == "" && told != "") {
		t.Fatalf("losses are %q, want %q", told, row.reports)
	}

	records, present := []events.Record{}, map[uint64]bool{}
	for _, service := range []string{"", "ext-a"} {
		if err := j.Replay(service, func(record events.Record) bool {
			records = append(records, record)
			present[record.Seq] = record.Kind != "Gap"

			return true
		}); err != nil {
			t.Fatal(err)
		}
	}

	var lost []uint64
	for seq := range uint64(rows) {
		if !present[seq+1] {
			lost = append(lost, seq+1)
		}
	}

	if !row.lost(lost) {
		t.Fatalf("lost are %v", lost)
	}

	if row.gap {
		gap := records[0].Event.GetGap()
		if gap.GetFrom() != lost[0] || gap.GetTo() != rows {
			t.Fatalf("gap is %v, lost are %d to %d", gap, lost[0], lost[len(lost)-1])
		}
	}

	if left, _ := filepath.Glob(filepath.Join(dir, "journal.restored*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}

	if aside, _ := filepath.Glob(filepath.Join(dir, "journal.db.*-*")); row.aside == (len(aside) == 0) {
		t.Fatalf("set aside: %v", aside)
	}

	if first {
		receipt := j.Append(journaltest.Decision("ext-a", 1000))
		if receipt.Outcome != events.Recorded || receipt.Records[0].Seq != rows+1 {
			t.Fatalf("append after that is %v at %d", receipt.Outcome, receipt.Records[0].Seq)
		}

		records = append(records, receipt.Records...)
	}

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	return records
}

// A database that a newer daemon wrote is whole: it is there for that daemon however often this one starts.
func TestNewerDatabasesAreKept(t *testing.T) {
	t.Parallel()

	const starts = 5 // more than damaged ones are kept

	dir := filepath.Join(t.TempDir(), "state")

	for number := range starts {
		j := open(t, journal.Options{Dir: dir})
		j.Append(journaltest.Decision("ext-a", number))

		if err := j.Close(); err != nil {
			t.Fatal(err)
		}

		statement("PRAGMA user_version = 1000")(t, dir)
	}

	j := open(t, journal.Options{Dir: dir})
	if losses := j.Status().Losses; len(losses) != 2 || losses[1].Records != 3*starts {
		t.Fatalf("losses are %v", losses)
	}

	aside, err := filepath.Glob(filepath.Join(dir, "journal.db.set-aside-*[0-9]"))
	if err != nil || len(aside) != starts {
		t.Fatalf("set aside are %v, %v", aside, err)
	}

	for number, path := range aside {
		reader, err := journal.OpenReadOnly(path)
		if err != nil {
			t.Fatal(err)
		}

		if kept, err := reader.Tail("ext-a", 5); err != nil || len(kept) != 1 || kept[0].Attempt != uint64(number) {
			t.Fatalf("%s holds %v, %v", path, kept, err)
		}

		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever closes a journal and opens it again must not find it locked.
func TestCheckThatIsBrokenOffLetsGo(t *testing.T) {
	t.Parallel()

	const rows = 2000

	dir := filepath.Join(t.TempDir(), "state")
	j := open(t, journal.Options{Dir: dir})

	for number := range rows {
		j.Append(journaltest.Decision("ext-a", number))
	}

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	for try := range 40 {
		inUse, err := journal.CheckBrokenOff(filepath.Join(dir, "journal.db"), time.Duration(try)*100*time.Microsecond)
		if err != nil || inUse != 0 {
			t.Fatalf("try %d: %d connections are in use, %v", try, inUse, err)
		}
	}
}

// await waits until the status is as wished.
func await(t *testing.T, j *journal.Journal, what string, wished func(journal.Status) bool) journal.Status {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	for {
		status, changed := j.Watch()
		if wished(status) {
			return status
		}

		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited for %s in vain; the status is %+v", what, status)
		}
	}
}

func checked(status journal.Status) bool { return status.Checked }

func healthy(status journal.Status) bool { return !status.Degraded }

func sequences(t *testing.T, j *journal.Journal, service string) []uint64 {
	t.Helper()

	var seqs []uint64
	if err := j.Replay(service, func(record events.Record) bool {
		seqs = append(seqs, record.Seq)

		return true
	}); err != nil {
		t.Fatal(err)
	}

	return slices.Clip(seqs)
}
