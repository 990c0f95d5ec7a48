package actorstest

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/condition"
)

// Watcher pushes the facts that a test sets.
type Watcher struct {
	trace *Trace
	began func() // called when a watch begins

	mu      sync.Mutex
	facts   map[condition.Condition]condition.Fact
	hanging map[condition.Condition]bool
	watches map[condition.Condition]map[int]func(condition.Fact)
	next    int
}

var _ actors.Watcher = (*Watcher)(nil)

func newWatcher(trace *Trace) *Watcher {
	return &Watcher{
		trace: trace, facts: make(map[condition.Condition]condition.Fact), hanging: make(map[condition.Condition]bool),
		watches: make(map[condition.Condition]map[int]func(condition.Fact)),
	}
}

// Set makes a fact true and pushes it to whoever watches.
func (w *Watcher) Set(watched condition.Condition, fact condition.Fact) {
	w.mu.Lock()
	w.facts[watched] = fact
	delete(w.hanging, watched)

	pushes := make([]func(condition.Fact), 0, len(w.watches[watched]))
	for _, number := range slices.Sorted(maps.Keys(w.watches[watched])) {
		pushes = append(pushes, w.watches[watched][number])
	}

	w.mu.Unlock()
	w.trace.note("fact %s is %+v", watched.Key(), fact)

	for _, push := range pushes {
		push(fact)
	}
}

// Hang lets watches of a condition that begin from now on say nothing until Set.
func (w *Watcher) Hang(watched condition.Condition) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.hanging[watched] = true
}

// Fact returns what was set, nil where nothing was.
func (w *Watcher) Fact(watched condition.Condition) condition.Fact {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.facts[watched]
}

// Watched returns the keys of the conditions that somebody watches, once for each watch.
func (w *Watcher) Watched() []string {
	w.mu.Lock()
	defer w.mu.Unlock()

	var keys []string
	for watched, watches := range w.watches {
		keys = append(keys, slices.Repeat([]string{watched.Key()}, len(watches))...)
	}

	slices.Sort(keys)

	return keys
}

// Watch pushes the present fact, or one that says that there is nothing.
func (w *Watcher) Watch(watched condition.Condition, push func(condition.Fact)) (stop func()) {
	if strings.HasPrefix(watched.Name, "/panic") {
		panic("the watcher of " + watched.Name + " is broken")
	}

	if w.began != nil {
		w.began()
	}

	w.mu.Lock()
	w.next++
	number := w.next

	if w.watches[watched] == nil {
		w.watches[watched] = make(map[int]func(condition.Fact))
	}

	w.watches[watched][number] = push
	fact, hangs := w.facts[watched], w.hanging[watched]
	w.mu.Unlock()

	w.trace.note("watch %s", watched.Key())

	if !hangs {
		push(fact)
	}

	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()

		w.trace.note("unwatch %s", watched.Key())
		delete(w.watches[watched], number)
	}
}
