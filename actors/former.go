package actors

import (
	"maps"
	"slices"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// mostFormer is how many services root remembers after their files are gone.
const mostFormer = 100

// past is what the actor of a service leaves to the next one, so that a file which comes back does not cost reading the
// whole history. Nothing is known where there was none, or where the actor was no longer to be trusted.
type past struct {
	known bool
	state service.State
	view  events.View
	last  uint64
}

// leave hands on what the actor knows. It is called when the actor ends.
func (s *serviceActor) leave() {
	*s.past = past{known: !s.quarantined, state: s.state, view: s.view, last: s.last}
}

// former are the services whose files are gone.
type former struct{ known map[string]*past }

func (f *former) keep(id string, left *past) {
	if !left.known {
		return
	}

	if f.known == nil {
		f.known = make(map[string]*past)
	}

	f.known[id] = left

	if len(f.known) > mostFormer { // any one of them: its history can be read again
		delete(f.known, slices.Min(slices.Collect(maps.Keys(f.known))))
	}
}

// take returns what is known of a service, and forgets it.
func (f *former) take(id string) *past {
	left := f.known[id]
	delete(f.known, id)

	if left == nil {
		left = new(past)
	}

	return left
}
