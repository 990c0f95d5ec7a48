package journal_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// floorAppend is the bare disk: the bytes of one decision written to a file, nothing synced.
func floorAppend(b *testing.B) time.Duration {
	b.Helper()

	file, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()

	times := make([]time.Duration, 0, 2000)
	bytes := make([]byte, 3*400)

	for range cap(times) {
		begin := time.Now()
		if _, err := file.Write(bytes); err != nil {
			b.Fatal(err)
		}

		times = append(times, time.Since(begin))
	}

	return percentile(times, 50)
}

func percentile(times []time.Duration, percent int) time.Duration {
	slices.Sort(times)

	return times[min(len(times)-1, len(times)*percent/100)]
}

func benchJournal(b *testing.B, dir string, mode journal.SyncMode) *journal.Journal {
	b.Helper()

	j, err := journal.Open(journal.Options{Dir: dir, Sync: mode, Identity: journal.Identity{
		Instance: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c001", BootID: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c002", RunID: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c003",
	}})
	if err != nil {
		b.Fatal(err)
	}

	return j
}

// BenchmarkAppend is one caller who waits for each decision of three rows.
func BenchmarkAppend(b *testing.B) {
	for name, mode := range map[string]journal.SyncMode{"interval": journal.Interval, "always": journal.Always} {
		b.Run(name, func(b *testing.B) {
			floor := floorAppend(b)
			bare, _ := floorRows(b, 1000, 1)
			j := benchJournal(b, b.TempDir(), mode)
			times := make([]time.Duration, 0, b.N)

			for number := 0; b.Loop(); number++ {
				begin := time.Now()
				j.Append(journaltest.Decision("ext-a", number))
				times = append(times, time.Since(begin))
			}

			if err := j.Close(); err != nil {
				b.Fatal(err)
			}

			median := percentile(times, 50)
			b.ReportMetric(float64(median.Nanoseconds())/1e3, "p50-us")
			b.ReportMetric(float64(percentile(times, 99).Nanoseconds())/1e3, "p99-us")
			b.ReportMetric(float64(median)/float64(floor), "x-write")
			b.ReportMetric(float64(median)/float64(3*bare), "x-sqlite")
		})
	}
}

// floorRows is bare SQLite: rows of the same size, each decision in a transaction of its own, or many in one. It returns the
// time of one row when it is written and when it is read.
func floorRows(b *testing.B, decisions, decisionsAtOnce int) (write, read time.Duration) {
	b.Helper()

	database, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "floor.db")+
		"?vfs=unix-excl&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		b.Fatal(err)
	}
	defer database.Close()

	database.SetMaxOpenConns(1)

	run := func(statement string, arguments ...any) {
		if _, err := database.Exec(statement, arguments...); err != nil {
			b.Fatal(err)
		}
	}

	run("CREATE TABLE rows (seq INTEGER PRIMARY KEY, bytes BLOB)")

	bytes := make([]byte, 300)
	begin := time.Now()

	for done := 0; done < decisions; done += decisionsAtOnce {
		run("BEGIN IMMEDIATE")

		for range 3 * decisionsAtOnce {
			run("INSERT INTO rows (bytes) VALUES (?)", bytes)
		}

		run("COMMIT")
	}

	write = time.Since(begin) / time.Duration(3*decisions)
	begin = time.Now()

	rows, err := database.Query("SELECT seq, bytes FROM rows ORDER BY seq")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()

	for rows.Next() {
		var (
			seq  uint64
			blob sql.RawBytes
		)
		if err := rows.Scan(&seq, &blob); err != nil {
			b.Fatal(err)
		}
	}

	return write, time.Since(begin) / time.Duration(3*decisions)
}

// resident is the memory of the process in MiB.
func resident(b *testing.B) float64 {
	b.Helper()

	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}

	var size, pages float64
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		b.Fatal(err)
	}

	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// BenchmarkProducers is fifty callers at the same time.
func BenchmarkProducers(b *testing.B) {
	bare, _ := floorRows(b, 5000, 100)
	j := benchJournal(b, b.TempDir(), journal.Interval)

	const producers, each = 50, 40

	b.ResetTimer()

	rows := 0
	for b.Loop() {
		var group sync.WaitGroup
		for producer := range producers {
			group.Go(func() {
				for number := range each {
					j.Append(journaltest.Decision(fmt.Sprintf("ext-%d", producer), number))
				}
			})
		}

		group.Wait()

		rows += 3 * producers * each
	}

	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(b.Elapsed().Seconds()/float64(rows)/bare.Seconds(), "x-sqlite")
	b.StopTimer()

	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

func fill(b *testing.B, j *journal.Journal, decisions int) {
	b.Helper()

	var group sync.WaitGroup
	for producer := range 50 {
		group.Go(func() {
			for number := range decisions / 50 {
				if receipt := j.Append(journaltest.Decision(fmt.Sprintf("ext-%d", producer), number)); receipt.Outcome != events.Recorded {
					b.Errorf("append was %v", receipt.Outcome)
				}
			}
		})
	}

	group.Wait()
}

// BenchmarkReplay reads 300,000 rows of fifty services, and the last 64 messages of one.
func BenchmarkReplay(b *testing.B) {
	j := benchJournal(b, b.TempDir(), journal.Interval)
	defer j.Close()

	fill(b, j, 100_000)

	_, bare := floorRows(b, 20_000, 100)

	b.Run("300k", func(b *testing.B) {
		for b.Loop() {
			rows := 0
			for producer := range 50 {
				if err := j.Replay(fmt.Sprintf("ext-%d", producer), func(events.Record) bool { rows++; return true }); err != nil {
					b.Fatal(err)
				}
			}

			if rows != 300_000 {
				b.Fatalf("%d rows", rows)
			}
		}

		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/300_000/bare.Seconds(), "x-sqlite")
		b.ReportMetric(resident(b), "MiB-resident")
	})
	b.Run("tail64", func(b *testing.B) {
		for b.Loop() {
			if tail, err := j.Tail("ext-7", 64); err != nil || len(tail) != 64 {
				b.Fatal(len(tail), err)
			}
		}

		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/64/bare.Seconds(), "x-sqlite")
	})
}

// BenchmarkOpen opens a journal of 100,000 rows, all of which are read and checked.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j := benchJournal(b, dir, journal.Interval)
	fill(b, j, 33_400)

	if err := j.Close(); err != nil {
		b.Fatal(err)
	}

	_, bare := floorRows(b, 20_000, 100)

	for b.Loop() {
		again := benchJournal(b, dir, journal.Interval)
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
	}

	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/100_000/bare.Seconds(), "x-sqlite")
}
