package actors

import (
	"cmp"
	"slices"
	"sync"

	"github.com/extactor/extactor/events"
)

// board holds the published views. Readers never wait for an actor: the lock is held for an assignment only.
type board struct {
	mutex   sync.Mutex
	views   map[string]events.View
	reject  []*events.SpecRejected // never changed, only replaced
	changed chan struct{}
}

func newBoard() *board {
	return &board{views: make(map[string]events.View), changed: make(chan struct{})}
}

func (b *board) publish(view events.View) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.views[view.ID] = view
	close(b.changed)
	b.changed = make(chan struct{})
}

// publishRejected replaces the list of files that have problems.
func (b *board) publishRejected(rejected []*events.SpecRejected) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	b.reject = rejected
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) rejected() []*events.SpecRejected {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return b.reject
}

func (b *board) remove(id string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	delete(b.views, id)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) all() []events.View {
	b.mutex.Lock()

	views := make([]events.View, 0, len(b.views))
	for _, view := range b.views {
		views = append(views, view)
	}

	b.mutex.Unlock()
	slices.SortFunc(views, func(a, b events.View) int { return cmp.Compare(a.ID, b.ID) })

	return views
}

func (b *board) one(id string) (events.View, bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	view, known := b.views[id]

	return view, known
}

func (b *board) next() <-chan struct{} {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	return b.changed
}
