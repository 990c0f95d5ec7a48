package actorstest

import (
	"maps"
	"sync"
)

// Tally counts what a World did.
type Tally struct {
	mu     sync.Mutex
	faults map[string]int
	steps  int
}

func newTally() *Tally { return &Tally{faults: make(map[string]int)} }

func (t *Tally) add(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.faults[kind]++
}

func (t *Tally) step() {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.steps++
}

// Fault counts a fault that a test injects.
func (w *World) Fault(kind string) { w.tally.add(kind) }

// Faults returns how many faults there were, by kind, and Steps how many messages were delivered.
func (w *World) Faults() map[string]int {
	w.tally.mu.Lock()
	defer w.tally.mu.Unlock()

	return maps.Clone(w.tally.faults)
}

// Steps returns how many messages were delivered.
func (w *World) Steps() int {
	w.tally.mu.Lock()
	defer w.tally.mu.Unlock()

	return w.tally.steps
}
