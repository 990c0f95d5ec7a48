package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// BenchmarkMillion opens a journal of a million records of fifty services, shows the last 64 lines of one, waits for the
// check of everything, and folds it all.
func BenchmarkMillion(b *testing.B) {
	dir := b.TempDir()
	j := benchJournal(b, dir, journal.Interval)
	fill(b, j, 333_400)

	if err := j.Close(); err != nil {
		b.Fatal(err)
	}

	var opened, tail, sound, folded, checked []time.Duration

	for b.Loop() {
		begin := time.Now()
		lap := func(into *[]time.Duration) {
			*into = append(*into, time.Since(begin))
			begin = time.Now()
		}

		j := benchJournal(b, dir, journal.Interval)
		lap(&opened)

		if lines, err := j.Tail("ext-7", 64); err != nil || len(lines) != 64 {
			b.Fatalf("%d lines, %v; %+v", len(lines), err, j.Status())
		}

		lap(&tail)

		if names, err := j.Services(); err != nil || len(names) != 50 {
			b.Fatal(names, err)
		}

		lap(&sound)

		rows := 0
		for producer := range 50 {
			view := events.NewView(fmt.Sprintf("ext-%d", producer))
			if err := j.Replay(view.ID, func(record events.Record) bool {
				view = view.Apply(record)
				rows++

				return true
			}); err != nil {
				b.Fatal(err)
			}
		}

		if rows < 1_000_000 {
			b.Fatal(rows)
		}

		lap(&folded)

		for status, changed := j.Watch(); !status.Checked; status, changed = j.Watch() {
			<-changed
		}

		lap(&checked)

		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}

	for name, times := range map[string][]time.Duration{
		"open": opened, "tail64": tail, "structure": sound, "fold": folded, "check-after-fold": checked,
	} {
		b.ReportMetric(float64(percentile(times, 50).Microseconds())/1e3, name+"-ms")
	}

	b.ReportMetric(resident(b), "MiB-resident")
}
