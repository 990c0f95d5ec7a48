package bench_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/spec"
)

// samples is how many are taken at least.
const samples = 200

// BenchmarkCreatedToRunning is the time from before a file is created until the service that waits for it is shown as
// Running: the kernel's notification, three decisions written to the journal on disk, and the way between. The floor is
// the same without us: bare inotify, then three appends, in turn with the samples.
func BenchmarkCreatedToRunning(b *testing.B) {
	const id = "ext-waiting"

	name := filepath.Join(b.TempDir(), "file")
	system := startSystem(b, openJournal(b, "ours"), []*spec.Service{serve("waiting", spec.Dependency{Path: name})})
	bare := newFloor(b)

	var ours, floors []time.Duration

	sample := func() {
		await(b, system, id, func(view events.View) bool { return len(view.Waiting()) == 1 && len(view.Recent) > 0 })

		begin := time.Now()

		create(b, name)
		await(b, system, id, func(view events.View) bool { return view.State == events.StateRunning })

		ours = append(ours, time.Since(begin))
		floors = append(floors, bare.measure(b))

		reset(b, system, id, name)
	}

	for b.Loop() {
		sample()
	}

	for len(ours) < samples {
		sample()
	}

	b.ReportMetric(0, "ns/op")
	report(b, "ours", ours)
	report(b, "floor", floors)
}

func create(b *testing.B, name string) {
	b.Helper()

	file, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}

	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
}

func await(b *testing.B, system *actors.System, id string, so func(events.View) bool) {
	b.Helper()
	until(b, system, func() bool {
		view, known := system.View(id)

		return known && so(view)
	})
}

// reset brings the service back to waiting for its file.
func reset(b *testing.B, system *actors.System, id, name string) {
	b.Helper()

	if err := os.Remove(name); err != nil {
		b.Fatal(err)
	}

	await(b, system, id, func(view events.View) bool { return !view.Conditions[len(view.Conditions)-1].Met })

	for _, order := range []events.Order{&events.StopService{}, &events.StartService{}} {
		if _, err := system.Command(b.Context(), id, order, &events.Origin{Via: "bench"}); err != nil {
			b.Fatal(err)
		}

		if _, stop := order.(*events.StopService); stop {
			await(b, system, id, func(view events.View) bool { return view.State == events.StateFinished })
		}
	}
}

// floor is what cannot be done without.
type floor struct {
	directory string
	notifier  *fsnotify.Watcher
	journal   *journal.Journal
	count     uint64
}

func newFloor(b *testing.B) *floor {
	b.Helper()

	bare := &floor{directory: b.TempDir(), journal: openJournal(b, "floor")}

	var err error
	if bare.notifier, err = fsnotify.NewWatcher(); err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { bare.notifier.Close() })

	if err := bare.notifier.Add(bare.directory); err != nil {
		b.Fatal(err)
	}

	return bare
}

func (f *floor) measure(b *testing.B) time.Duration {
	b.Helper()

	name := filepath.Join(f.directory, "file")
	begin := time.Now()

	create(b, name)
	f.event(fsnotify.Create)

	for _, decision := range f.decisions() {
		f.journal.Append(decision)
	}

	took := time.Since(begin)

	if err := os.Remove(name); err != nil {
		b.Fatal(err)
	}

	f.event(fsnotify.Remove)

	return took
}

func (f *floor) event(want fsnotify.Op) {
	for !(<-f.notifier.Events).Has(want) {
	}
}

// decisions are the three of a start, as the service makes them.
func (f *floor) decisions() []events.Decision {
	f.count++

	decision := func(order events.Order, facts ...events.Fact) events.Decision {
		at := kernelClock{}.Now()
		decision := events.Decision{Service: "ext-floor", At: at, Command: events.NewCommand(at, nil, order)}

		for _, fact := range facts {
			event := events.New(fact)
			decision.Entries = append(decision.Entries, events.Entry{
				Event: event, State: events.StatePreparing, Attempt: f.count, Message: events.Text("ext-floor", event),
			})
		}

		return decision
	}

	return []events.Decision{
		decision(&events.ObserveCondition{Key: "path:/file", Met: true}, &events.ConditionChanged{Key: "path:/file", Met: true},
			&events.PreparationStarted{Attempt: f.count}),
		decision(&events.ReportPrepared{Attempt: f.count}, &events.RunnerCreated{Attempt: f.count}),
		decision(&events.ReportStarted{Attempt: f.count, Pid: 1, Container: "ext-floor"},
			&events.TaskStarted{Attempt: f.count, Pid: 1, Container: "ext-floor"}),
	}
}
