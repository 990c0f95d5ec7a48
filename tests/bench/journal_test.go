package bench_test

import (
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/journal"
)

const (
	million         = 1_000_000
	millionServices = 50
	millionRounds   = 100 // after each of them every service takes a snapshot
	tries           = 40  // of one service in a round
	roundRecords    = millionServices * (5*tries + 1)
)

// BenchmarkMillionEvents is what people wait for with a journal of a million events of fifty services: that it opens, the
// last 64 lines, how everything was in the middle, why one of them is not up, and all of it folded: beside what SQLite takes to
// hand out the same rows.
func BenchmarkMillionEvents(b *testing.B) {
	dir := b.TempDir()
	middle := fillMillion(b, dir)

	var opened, tail, at, explained, folded, work, copied, bare, floor []time.Duration

	for b.Loop() {
		begin := time.Now()
		lap := func(into *[]time.Duration) {
			*into = append(*into, time.Since(begin))
			begin = time.Now()
		}

		j := openMillion(b, dir)
		lap(&opened)

		for status, changed := j.Watch(); !status.Checked; status, changed = j.Watch() {
			<-changed // which goes on behind a daemon's back
		}

		begin = time.Now()

		if lines, err := j.Tail("", 64); err != nil || len(lines) != 64 {
			b.Fatal(len(lines), err)
		}

		lap(&tail)

		then, err := j.At(b.Context(), middle)
		if err != nil || len(then.Past().Views) != millionServices || then.Past().Seq != middle || then.Past().Before != 0 {
			b.Fatalf("%d services at %d: %v", len(then.Past().Views), then.Past().Seq, err)
		}

		lap(&at)
		explainMillion(b, j)
		lap(&explained)

		var fold events.Fold

		used, rows := processTime(b), 0
		if err := j.Each(b.Context(), 0, math.MaxInt64, func(record events.Record) bool {
			rows++
			fold.Apply(record)

			return true
		}); err != nil || rows < million || len(fold.Past().Views) != millionServices {
			b.Fatal(rows, err)
		}

		lap(&folded)

		work = append(work, processTime(b)-used)
		used, begin = processTime(b), time.Now()

		bareMillion(b, dir)
		lap(&bare)

		floor = append(floor, processTime(b)-used)

		if err := j.Close(); err != nil {
			b.Fatal(err)
		}

		begin = time.Now()

		reader, err := journal.OpenReadOnly(dir)
		if err != nil || len(reader.Problems()) > 0 {
			b.Fatal(err, reader.Problems())
		}

		lap(&copied)

		if err := reader.Close(); err != nil {
			b.Fatal(err)
		}
	}

	median := func(times []time.Duration) float64 {
		slices.Sort(times)

		return float64(times[len(times)/2].Microseconds()) / 1e3
	}

	for name, times := range map[string][]time.Duration{
		"open-ms": opened, "tail64-ms": tail, "replay-at-middle-ms": at, "explain-ms": explained, "open-copy-ms": copied,
		"full-fold-ms": folded, "full-fold-cpu-ms": work, "bare-select-ms": bare, "bare-select-cpu-ms": floor,
	} {
		b.ReportMetric(median(times), name)
	}

	b.ReportMetric(median(work)/median(floor), "full-fold-x-bare-cpu")

	if info, err := os.Stat(filepath.Join(dir, "journal.db")); err == nil {
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB-on-disk")
	}
}

// explainMillion explains a service that has failed again and again since the journal began, which is the longest chain there
// is.
func explainMillion(b *testing.B, j *journal.Journal) {
	b.Helper()

	read := func(wanted events.Selection, yield func(events.Record) bool) error {
		return j.Select(b.Context(), wanted, yield)
	}

	why, err := history.Explain(read, math.MaxInt64, "ext-07")
	if err != nil || why.State != events.StateWaiting {
		b.Fatal(why.State, err)
	}

	text := why.Text(func(events.Moment) string { return "then" })
	if want := fmt.Sprintf("it was restarted %d times", millionRounds*tries-1); !strings.Contains(text, want) {
		b.Fatal(text)
	}
}

// bareMillion reads every column of every record as anybody would.
func bareMillion(b *testing.B, dir string) {
	b.Helper()

	database, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "journal.db")+"?vfs=unix-excl&mode=rw")
	if err != nil {
		b.Fatal(err)
	}
	defer database.Close()

	rows, err := database.Query("SELECT * FROM records ORDER BY seq")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()

	columns, err := rows.Columns()
	if err != nil {
		b.Fatal(err)
	}

	values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}

	read := 0
	for ; rows.Next(); read++ {
		if err := rows.Scan(into...); err != nil {
			b.Fatal(err)
		}
	}

	if err := rows.Err(); err != nil || read < million {
		b.Fatal(read, err)
	}
}

// processTime is what this process took of the processors: on a busy machine that says more than the time that passed.
func processTime(b *testing.B) time.Duration {
	b.Helper()

	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}

	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func openMillion(b *testing.B, dir string) *journal.Journal {
	b.Helper()

	j, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{
		Instance: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c001", BootID: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c002", RunID: "0d6a2e4c-2a43-4bd6-9a35-6a0ef0a7c003",
	}})
	if err != nil {
		b.Fatal(err)
	}

	return j
}

// fillMillion lets fifty services crash and start again until there are a million records, and returns one in the middle
// that is as far from the snapshots before it as can be.
func fillMillion(b *testing.B, dir string) uint64 {
	b.Helper()

	j := openMillion(b, dir)

	var last [millionServices]uint64 // record of each

	for round := range millionRounds {
		var group sync.WaitGroup
		for number := range millionServices {
			group.Go(func() { last[number] = crashLoop(j, fmt.Sprintf("ext-%02d", number), round, last[number]) })
		}

		group.Wait()
	}

	if err := j.Close(); err != nil {
		b.Fatal(err)
	}

	return millionRounds/2*roundRecords - 2*millionServices
}

// crashLoop is what one service says between two snapshots: it runs and ends, again and again, each time because of the time
// before. It returns the last record.
func crashLoop(j *journal.Journal, id string, round int, last uint64) uint64 {
	view := events.NewView(id)

	take := func(decision events.Decision) {
		decision.Cause = last
		receipt := j.Append(decision)
		last = receipt.Last()

		for status, changed := j.Watch(); status.Degraded; status, changed = j.Watch() {
			<-changed // the machine is busy
		}

		for _, record := range receipt.Records {
			view = view.Apply(record)
		}
	}

	for number := range tries {
		attempt := uint64(round*tries + number + 1)
		at := &events.Instant{WallNs: int64(attempt) * int64(time.Second), BootNs: int64(attempt) * int64(time.Second)}
		entry := func(fact events.Fact, state string) events.Entry {
			event := events.New(fact)

			return events.Entry{Event: event, State: state, Attempt: attempt, Message: events.Text(id, event)}
		}

		exit := &events.Exit{Known: true, Code: 1, At: at, LastLines: "it does not work: no such device"}
		take(events.Decision{
			Service: id, At: at, Command: events.NewCommand(at, nil, &events.ReportStarted{Attempt: attempt, Pid: uint32(attempt), Container: id}),
			Entries: []events.Entry{
				entry(&events.TaskStarted{Attempt: attempt, Pid: uint32(attempt), Container: id}, events.StateRunning),
				entry(&events.TaskExited{Attempt: attempt, Pid: uint32(attempt), Exit: exit}, events.StateWaiting),
				entry(&events.RestartScheduled{Attempt: attempt, DelayNs: 1e8, UntilBootNs: at.GetBootNs() + 1e8, Reason: "exit code 1"}, events.StateWaiting),
				entry(&events.BackoffElapsed{Attempt: attempt}, events.StateWaiting),
			},
		})
	}

	snapshot := &events.Snapshot{State: view.State, Attempt: view.Attempt, Restarts: view.Restarts, LastExit: view.LastExit}
	view.Complete(snapshot)
	take(events.Decision{
		Service: id, At: &events.Instant{WallNs: 1, BootNs: 1},
		Entries: []events.Entry{{Event: events.New(snapshot), State: view.State, Attempt: view.Attempt}},
	})

	return last
}
