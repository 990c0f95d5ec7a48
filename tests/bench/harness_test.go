package bench_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/spec"
)

const boot = "6d1f7d4e-5a0e-4a57-9a2c-b2f7b6c1f001"

// kernelClock is real time.
type kernelClock struct{}

func (kernelClock) Now() *events.Instant {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}

	return &events.Instant{WallNs: time.Now().UnixNano(), BootNs: now.Nano()}
}

func (kernelClock) AfterFunc(wait time.Duration, f func()) (stop func() bool) {
	return time.AfterFunc(wait, f).Stop
}

func openJournal(b *testing.B, name string) *journal.Journal {
	b.Helper()

	j, err := journal.Open(journal.Options{
		Dir: filepath.Join(b.TempDir(), name),
		Identity: journal.Identity{
			Instance: "6d1f7d4e-5a0e-4a57-9a2c-b2f7b6c1f002", BootID: boot, RunID: "6d1f7d4e-5a0e-4a57-9a2c-b2f7b6c1f003",
		},
	})
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	})

	return j
}

// startSystem starts the shipped actors with the shipped journal and watchers; only the containers are not real.
func startSystem(b *testing.B, j *journal.Journal, files []*spec.Service) *actors.System {
	b.Helper()

	watchers, err := watch.New(watch.Options{})
	if err != nil {
		b.Fatal(err)
	}

	clock := kernelClock{}
	runtime := actorstest.NewFakeRuntime(func(actorstest.Call) time.Duration { return -1 }, clock.Now)
	runtime.Connect()

	system, err := actors.Start(actors.Config{
		Journal: j, Runtime: runtime, Watcher: watchers, Clock: clock, Logger: slog.New(slog.DiscardHandler),
		Desired: actors.Desired{Services: files}, Prober: actorstest.NewFakeProber(),
		BootID: boot, Version: "bench", PID: 1, Key: []byte("key"),
	})
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() {
		system.Close()
		watchers.Close()
	})

	return system
}

// until waits until the views are so.
func until(b *testing.B, system *actors.System, so func() bool) {
	b.Helper()

	late := time.After(time.Minute)

	for {
		changed := system.Changed()
		if so() {
			return
		}

		select {
		case <-changed:
		case <-late:
			b.Fatalf("not within a minute: %v", system.Views())
		}
	}
}

func serve(name string, depends ...spec.Dependency) *spec.Service {
	return &spec.Service{
		Name: name, Container: spec.Container{Entrypoint: "/program"}, Depends: depends, Restart: spec.RestartAlways,
		Extactor: spec.Extactor{Stop: spec.Stop{Signal: "SIGTERM", Timeout: 10 * time.Second}},
	}
}

// report adds minimum, median, 99th percentile and number of samples to the benchmark's line.
func report(b *testing.B, what string, times []time.Duration) {
	b.Helper()
	slices.Sort(times)

	at := func(percent int) float64 {
		return float64(times[min(len(times)-1, len(times)*percent/100)].Nanoseconds()) / 1000
	}

	b.ReportMetric(at(0), what+"-min-us")
	b.ReportMetric(at(50), what+"-median-us")
	b.ReportMetric(at(99), what+"-p99-us")
	b.ReportMetric(float64(len(times)), what+"-samples")
}
