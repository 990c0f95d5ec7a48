package actorstest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// FakeProber lets a test say how services of the host and running tasks are.
type FakeProber struct {
	mu      sync.Mutex
	hosts   map[string]hostState
	watches map[string]map[*func(up bool, detail string)]bool
	health  map[service.Task]*monitored
	verdict map[string]bool // by id: what every check of its tasks says

	// pause is waited for before the first report of a check; nil for none.
	pause func(task service.Task) <-chan time.Time
}

// monitored is a task whose health is checked.
type monitored struct {
	by     spec.Health
	report func(healthy bool, message string)
}

type hostState struct {
	up     bool
	detail string
}

var _ actors.Prober = (*FakeProber)(nil)

// NewFakeProber returns a prober that knows no host service.
func NewFakeProber() *FakeProber {
	return &FakeProber{
		hosts: make(map[string]hostState), watches: make(map[string]map[*func(bool, string)]bool),
		health: make(map[service.Task]*monitored), verdict: make(map[string]bool),
	}
}

// SetHost makes a service of the host known, and says how it is.
func (f *FakeProber) SetHost(name string, up bool, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.hosts[name] = hostState{up: up, detail: detail}
	for push := range f.watches[name] {
		(*push)(up, detail)
	}
}

// Watched tells how many watch a service of the host.
func (f *FakeProber) Watched(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()

	return len(f.watches[name])
}

// Report says how a task is that is monitored; it tells whether it is.
func (f *FakeProber) Report(task service.Task, healthy bool, message string) bool {
	f.mu.Lock()
	known := f.health[task]
	f.mu.Unlock()

	if known == nil {
		return false
	}

	known.report(healthy, message)

	return true
}

// SetHealth says how the tasks of an id are from now on: the one that is monitored, and every later one.
func (f *FakeProber) SetHealth(id string, healthy bool) {
	f.mu.Lock()
	f.verdict[id] = healthy

	var reports []func(bool, string)

	for _, task := range slices.SortedFunc(maps.Keys(f.health), func(a, b service.Task) int { return cmp.Compare(a.Attempt, b.Attempt) }) {
		if task.ID == id {
			reports = append(reports, f.health[task].report)
		}
	}

	f.mu.Unlock()

	for _, report := range reports {
		report(healthy, saying(healthy))
	}
}

func saying(healthy bool) string {
	if healthy {
		return "it answers"
	}

	return "nobody answers"
}

// first gives the first report of a check.
func (f *FakeProber) first(ctx context.Context, task service.Task, report func(bool, string)) {
	if f.pause != nil {
		select {
		case <-f.pause(task):
		case <-ctx.Done():
			return
		}
	}

	f.mu.Lock()
	healthy, known := f.verdict[task.ID]
	f.mu.Unlock()

	if known && ctx.Err() == nil {
		report(healthy, saying(healthy))
	}
}

// Health tells how a task is checked, nil where it is not.
func (f *FakeProber) Health(task service.Task) *spec.Health {
	f.mu.Lock()
	defer f.mu.Unlock()

	if known := f.health[task]; known != nil {
		return &known.by
	}

	return nil
}

// KnowsHost implements actors.Prober.
func (f *FakeProber) KnowsHost(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	_, known := f.hosts[name]

	return known
}

// WatchHost implements actors.Prober.
func (f *FakeProber) WatchHost(name string, push func(up bool, detail string)) func() {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.watches[name] == nil {
		f.watches[name] = make(map[*func(bool, string)]bool)
	}

	f.watches[name][&push] = true
	push(f.hosts[name].up, f.hosts[name].detail)

	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()

		delete(f.watches[name], &push)
	}
}

// MonitorHealth implements actors.Prober.
func (f *FakeProber) MonitorHealth(ctx context.Context, task service.Task, by spec.Health, report func(bool, string)) {
	known := &monitored{by: by, report: report}

	f.mu.Lock()
	if ctx.Err() == nil { // else the next one may be there already
		f.health[task] = known
	}
	f.mu.Unlock()

	f.first(ctx, task, report)
	<-ctx.Done()

	f.mu.Lock()
	defer f.mu.Unlock()

	if f.health[task] == known {
		delete(f.health, task)
	}
}
