package actors

import "github.com/extactor/extactor/condition"

// Subscribe has a service hear of a condition.
func (s *System) Subscribe(id string, wanted condition.Condition) {
	s.world.send(s.root, subscribe{id: id, wanted: wanted})
}

// Unsubscribe has a service hear of a condition no more.
func (s *System) Unsubscribe(id string, unwanted condition.Condition) {
	s.world.send(s.root, unsubscribe{id: id, unwanted: unwanted})
}
