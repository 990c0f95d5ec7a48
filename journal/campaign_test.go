package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// files are those of a state directory.
type files map[string][]byte

// harm is one kind of damage that is done again and again, each time elsewhere.
type harm struct {
	name    string
	times   int
	crashed bool // to the files of a daemon that was killed, else to those of one that ended
	do      func(random *rand.Rand, files files) (where string)
}

var harms = []harm{
	{"byte flipped in the database", 100, false, flipIn("journal.db")},
	{"byte flipped that leads to records", 60, false, flipInWays("journal.db")},
	{"byte flipped in the write-ahead log", 100, true, flipIn("journal.db-wal")},
	{"byte flipped in the head", 20, true, flipIn("journal.head")},
	{"database cut off", 50, false, cutOff("journal.db")},
	{"write-ahead log cut off", 50, true, cutOff("journal.db-wal")},
	{"page of the database zeroed", 20, false, zeroPage("journal.db")},
	{"database is garbage", 5, false, garbage("journal.db")},
	{"write-ahead log is garbage", 5, true, garbage("journal.db-wal")},
	{"write-ahead log deleted", 1, true, deleted("journal.db-wal")},
	{"database deleted", 1, true, deleted("journal.db")},
	{"everything but the head deleted", 1, true, deleted("journal.db", "journal.db-wal")},
}

func flipIn(name string) func(*rand.Rand, files) string {
	return func(random *rand.Rand, files files) string {
		at, mask := random.IntN(len(files[name])), byte(1)<<random.IntN(8)
		files[name][at] ^= mask

		return fmt.Sprintf("byte %d ^ %#x", at, mask)
	}
}

// flipInWays flips a byte in use of a page that only leads to others: type 2 or 5 of SQLite's file format, where the number of
// cells is at offset 3 and the first of them at what is at 5.
func flipInWays(name string) func(*rand.Rand, files) string {
	return func(random *rand.Rand, files files) string {
		var used []int

		for page := pageSize; page < len(files[name]); page += pageSize {
			content := files[name][page : page+pageSize]
			if content[0] != 2 && content[0] != 5 {
				continue
			}

			pointers := 12 + 2*int(binary.BigEndian.Uint16(content[3:]))
			for at := range pageSize {
				if at < pointers || at >= int(binary.BigEndian.Uint16(content[5:])) {
					used = append(used, page+at)
				}
			}
		}

		at, mask := used[random.IntN(len(used))], byte(1)<<random.IntN(8)
		files[name][at] ^= mask

		return fmt.Sprintf("byte %d ^ %#x", at, mask)
	}
}

func cutOff(name string) func(*rand.Rand, files) string {
	return func(random *rand.Rand, files files) string {
		at := random.IntN(len(files[name]))
		files[name] = files[name][:at]

		return fmt.Sprintf("at byte %d", at)
	}
}

func zeroPage(name string) func(*rand.Rand, files) string {
	return func(random *rand.Rand, files files) string {
		page := random.IntN(len(files[name]) / pageSize)
		clear(files[name][page*pageSize : (page+1)*pageSize])

		return fmt.Sprintf("page %d", page+1)
	}
}

func garbage(name string) func(*rand.Rand, files) string {
	return func(random *rand.Rand, files files) string {
		for at := range files[name] {
			files[name][at] = byte(random.Uint32())
		}

		return ""
	}
}

func deleted(names ...string) func(*rand.Rand, files) string {
	return func(_ *rand.Rand, files files) string {
		for _, name := range names {
			delete(files, name)
		}

		return ""
	}
}

// outcome is what a start over damaged files showed.
type outcome struct {
	lost       int // records
	aside      bool
	unreported []uint64
}

// TestDamageCampaign damages the files of a journal with synced records in hundreds of ways. It always starts, goes on, and
// says of every record that is not there that it is gone. With -v it prints a table.
func TestDamageCampaign(t *testing.T) {
	t.Parallel()

	whole := map[bool]files{false: load(t, image(t, false)), true: load(t, image(t, true))}
	original := map[bool]map[uint64]events.Record{false: recordsOf(t, whole[false]), true: recordsOf(t, whole[true])}
	table := fmt.Sprintf("%-36s %6s %10s %10s %12s %10s %11s\n", "damage", "cases", "harmless", "in part", "set aside", "lost", "unreported")

	for _, harm := range harms {
		if underRace {
			harm.times = (harm.times + 9) / 10
		}

		results := make([]outcome, harm.times)

		inParallel(harm.times, func(number int) {
			damaged := files{}
			for name, content := range whole[harm.crashed] {
				damaged[name] = bytes.Clone(content)
			}

			where := harm.do(rand.New(rand.NewPCG(uint64(number), 4)), damaged)
			results[number] = startOver(t, fmt.Sprintf("%s, seed %d, %s", harm.name, number, where), damaged, original[harm.crashed])
		})

		harmless, part, aside, lost, unreported := 0, 0, 0, 0, 0

		for _, result := range results {
			lost += result.lost
			unreported += len(result.unreported)

			switch {
			case result.aside:
				aside++
			case result.lost > 0:
				part++
			default:
				harmless++
			}
		}

		table += fmt.Sprintf("%-36s %6d %10d %10d %12d %10d %11d\n", harm.name, harm.times, harmless, part, aside, lost, unreported)
	}

	t.Logf("journal of %d synced records\n%s", rows, table)
}

// inParallel calls work with 0 to times-1, as many at a time as there are processors.
func inParallel(times int, work func(number int)) {
	numbers := make(chan int)

	var group sync.WaitGroup
	for range runtime.NumCPU() {
		group.Go(func() {
			for number := range numbers {
				work(number)
			}
		})
	}

	for number := range times {
		numbers <- number
	}

	close(numbers)
	group.Wait()
}

func load(t *testing.T, dir string) files {
	t.Helper()

	loaded := files{}
	for _, name := range journalFiles {
		loaded[name] = read(t, filepath.Join(dir, name))
	}

	return loaded
}

// shelter makes a directory in memory where there is one, because the campaign's disk is to be damaged, not slow.
func shelter(t *testing.T) string {
	t.Helper()

	dir, err := os.MkdirTemp("/dev/shm", "journal-")
	if err != nil {
		return t.TempDir()
	}

	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	return dir
}

func place(t *testing.T, files files) string {
	t.Helper()

	dir := shelter(t)
	for name, content := range files {
		put(t, dir, name, content)
	}

	return dir
}

func recordsOf(t *testing.T, files files) map[uint64]events.Record {
	t.Helper()

	records := map[uint64]events.Record{}

	j := open(t, journal.Options{Dir: place(t, files)})
	if err := j.Replay("ext-a", func(record events.Record) bool { records[record.Seq] = record; return true }); err != nil {
		t.Fatal(err)
	}

	if len(records) != rows {
		t.Fatalf("%d records", len(records))
	}

	return records
}

// startOver opens damaged files, twice, and finds out what is gone.
func startOver(t *testing.T, what string, damaged files, original map[uint64]events.Record) outcome {
	dir := place(t, damaged)
	defer os.RemoveAll(dir)

	readDamaged(t, dir)

	j := open(t, journal.Options{Dir: dir})
	status := await(t, j, what, func(status journal.Status) bool { return status.Checked && !status.Degraded })

	var result outcome

	missing := maps.Clone(original)
	if err := j.Replay("ext-a", func(record events.Record) bool {
		if diff := cmp.Diff(original[record.Seq], record, protocmp.Transform()); diff != "" {
			t.Errorf("%s: a record is not what it was (-was +is):\n%s", what, diff)
		}

		delete(missing, record.Seq)

		return true
	}); err != nil {
		t.Errorf("%s: %v", what, err)
	}

	result.lost = len(missing)

	for seq := range missing {
		if !slices.ContainsFunc(status.Losses, func(loss journal.Loss) bool { return loss.From <= seq && seq <= loss.To }) {
			result.unreported = append(result.unreported, seq)
		}
	}

	if len(result.unreported) > 0 {
		t.Errorf("%s: %v are gone, and nothing says so: %v", what, result.unreported, status.Losses)
	}

	result.aside = slices.ContainsFunc(status.Losses, func(loss journal.Loss) bool { return strings.Contains(loss.Reason, "set aside") })

	receipt := j.Append(journaltest.Decision("ext-a", 1000))
	if receipt.Outcome != events.Recorded || receipt.Records[0].Seq <= rows && len(missing) < rows {
		t.Errorf("%s: append after that is %v at %d", what, receipt.Outcome, receipt.Records[0].Seq)
	}

	if err := j.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}

	again := open(t, journal.Options{Dir: dir})
	if last, err := again.Tail("ext-a", 1); err != nil || len(last) != 1 || last[0].Seq != receipt.Last() {
		t.Errorf("%s: the second start shows %v, %v", what, last, err)
	}

	if err := again.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}

	return result
}
