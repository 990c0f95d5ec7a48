package watch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/extactor/extactor/condition"
)

// BenchmarkCreatedToPush reports the median time from before a file is created until its fact is pushed, beside that
// until bare fsnotify delivers its event, in turn in the same run.
func BenchmarkCreatedToPush(b *testing.B) {
	ours, theirs := memory(b), memory(b)
	watchers := start(b, unpolled())
	notifier, err := fsnotify.NewWatcher()
	must(b, err)

	defer notifier.Close()

	must(b, notifier.Add(theirs))

	name := filepath.Join(ours, "file")
	pushed := make(chan bool, 16)
	stop := watchers.Watch(path(name), func(fact condition.Fact) { pushed <- path(name).Met(fact) })

	defer stop()

	until := func(want bool) {
		for <-pushed != want {
		}
	}
	event := func(want fsnotify.Op) {
		for !(<-notifier.Events).Has(want) {
		}
	}
	median := func(times []time.Duration) float64 {
		slices.Sort(times)

		return float64(times[len(times)/2].Nanoseconds()) / 1000
	}

	var push, notify []time.Duration

	until(false)

	for b.Loop() {
		begin := time.Now()
		touch(b, name)
		until(true)

		push = append(push, time.Since(begin))

		must(b, os.Remove(name))
		until(false)

		other := filepath.Join(theirs, "file")
		begin = time.Now()

		touch(b, other)
		event(fsnotify.Create)

		notify = append(notify, time.Since(begin))

		must(b, os.Remove(other))
		event(fsnotify.Remove)
	}

	b.ReportMetric(median(push), "µs/push")
	b.ReportMetric(median(notify), "µs/fsnotify")
	b.ReportMetric(0, "ns/op")
}

// memory makes a directory in memory, where it can, so that the disk is not part of what is measured.
func memory(b *testing.B) string {
	b.Helper()

	directory, err := os.MkdirTemp("/dev/shm", "watch")
	if err != nil {
		return b.TempDir()
	}

	b.Cleanup(func() { _ = os.RemoveAll(directory) })

	return directory
}
