package actors

import (
	"strings"

	"github.com/extactor/extactor/condition"
)

// Subscribe has a service hear of a condition.
func (s *System) Subscribe(id string, wanted condition.Condition) {
	s.world.send(s.root, subscribe{id: id, life: s.firstLife(id), wanted: wanted})
}

// Unsubscribe has a service hear of a condition no more.
func (s *System) Unsubscribe(id string, unwanted condition.Condition) {
	s.world.send(s.root, unsubscribe{id: id, life: s.firstLife(id), unwanted: unwanted})
}

// firstLife is the life of a service that was there from the start: they are given out by id.
func (s *System) firstLife(id string) life {
	var first life

	for _, view := range s.Views() {
		if strings.HasPrefix(view.ID, "ext-") && view.ID <= id {
			first++
		}
	}

	return first
}
