package daemon_test

import (
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for something that must come. It only limits how long a failure takes.
const patience = time.Minute

// feed is a growing list that one can wait on.
type feed[T any] struct {
	mu      sync.Mutex
	items   []T
	ended   bool
	changed chan struct{} // closed at the next change
}

func newFeed[T any]() *feed[T] { return &feed[T]{changed: make(chan struct{})} }

func (f *feed[T]) add(item T) { f.change(func() { f.items = append(f.items, item) }) }
func (f *feed[T]) end()       { f.change(func() { f.ended = true }) }

func (f *feed[T]) change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()

	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// all returns what has come so far, and a channel that is closed when there is more.
func (f *feed[T]) all() (items []T, ended bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.items[:len(f.items):len(f.items)], f.ended, f.changed
}

// await returns the first item that matches, also one that came before.
func (f *feed[T]) await(t testing.TB, what string, match func(T) bool) T {
	t.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	for {
		items, ended, changed := f.all()
		for _, item := range items {
			if match(item) {
				return item
			}
		}

		if ended {
			t.Fatalf("it ended before there was %s; there were:\n%s", what, list(items))
		}

		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s; there were:\n%s", what, list(items))
		}
	}
}
