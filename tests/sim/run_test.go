package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// result is what came of one seed.
type result struct {
	seed     uint64
	trace    string
	problems []string
	kinds    map[string]int // of records, and rows of recoveries
	faults   map[string]int
	steps    int
	ids      []string
	script   func(id string) string // golden
	records  []events.Record
}

// run lives one seed through. change, which may be nil, is given the world before anything happens in it.
func run(t *testing.T, seed uint64, change func(w *actorstest.World)) result {
	t.Helper()

	lived := result{seed: seed, kinds: make(map[string]int)}

	synctest.Test(t, func(t *testing.T) {
		witness := &witness{TB: t}
		defer func() { lived.problems = witness.problems }()
		defer witness.cleanUp()

		w := actorstest.NewWorld(witness, seed)
		if change != nil {
			change(w)
		}

		witness.see(newPlay(w).perform)

		lived.trace, lived.faults, lived.steps = w.Trace(), w.Faults(), w.Steps()
		lived.ids = w.IDs()

		lived.script, lived.records = w.Script, w.Journal.Records()

		for _, problem := range history.CheckCauses(lived.records) {
			witness.Errorf("%s", problem)
		}

		for _, different := range decideAgain(lived.records).First {
			witness.Errorf("decision %d is another one today: %+v", different.Seq, different)
		}

		for _, record := range lived.records {
			lived.kinds[record.Kind]++

			if row := record.Event.GetRecovered().GetRow(); row != "" {
				lived.kinds["recovered: "+row]++
			}
		}
	})

	return lived
}

// runQuickly lives one seed through without a trace, and where it goes wrong once more with one.
func runQuickly(t *testing.T, seed uint64) result {
	t.Helper()

	lived := run(t, seed, (*actorstest.World).Mute)
	if len(lived.problems) == 0 {
		return lived
	}

	if again := run(t, seed, nil); len(again.problems) > 0 {
		return again
	}

	return lived
}

// witness stands for the test in a play, so that a play that goes wrong does not end the others.
type witness struct {
	testing.TB

	mu       sync.Mutex
	problems []string
	cleanups []func()
}

// over is what ends a play that went wrong.
type over struct{}

func (w *witness) see(play func()) {
	defer func() {
		if reason := recover(); reason != nil && reason != (over{}) {
			panic(reason)
		}
	}()

	play()
}

func (w *witness) cleanUp() {
	for _, cleanup := range slices.Backward(w.cleanups) {
		cleanup()
	}
}

func (w *witness) Helper() {}

func (w *witness) Cleanup(cleanup func()) { w.cleanups = append(w.cleanups, cleanup) }

func (w *witness) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()

	return len(w.problems) > 0
}

func (w *witness) Errorf(format string, values ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.problems = append(w.problems, fmt.Sprintf(format, values...))
}

func (w *witness) Error(values ...any) { w.Errorf("%s", fmt.Sprint(values...)) }

func (w *witness) Fatalf(format string, values ...any) {
	w.Errorf(format, values...)
	panic(over{})
}

func (w *witness) Fatal(values ...any) { w.Fatalf("%s", fmt.Sprint(values...)) }

// figures are those of all seeds together.
type figures struct {
	began time.Time

	mu         sync.Mutex
	seeds      int
	steps      int
	violations int
	kinds      map[string]int
	faults     map[string]int
}

func newFigures() *figures {
	return &figures{began: time.Now(), kinds: make(map[string]int), faults: make(map[string]int)}
}

func (f *figures) add(lived result) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.seeds++
	f.steps += lived.steps

	if len(lived.problems) > 0 {
		f.violations++
	}

	for kind, times := range lived.kinds {
		f.kinds[kind] += times
	}

	for kind, times := range lived.faults {
		f.faults[kind] += times
	}
}

// String prints them for people.
func (f *figures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()

	var out strings.Builder

	list := func(title string, counts map[string]int) {
		fmt.Fprintf(&out, "%s:\n", title)

		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&out, "  %9d %s\n", counts[kind], kind)
		}
	}

	list("events and rows of recovery", f.kinds)
	list("faults and other things that happened", f.faults)

	took := time.Since(f.began)
	fmt.Fprintf(&out, "%d seeds in %s, %.0f a second; %d steps; %d violations\n",
		f.seeds, took.Round(time.Millisecond), float64(f.seeds)/took.Seconds(), f.steps, f.violations)

	return out.String()
}
