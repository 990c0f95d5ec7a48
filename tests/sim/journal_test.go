package sim_test

import (
	"testing"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/journal/journaltest"
)

type subscriber struct{ *actorstest.Journal }

func (s subscriber) Subscribe(after uint64) journaltest.Stream { return s.Journal.Subscribe(after) }

// What the simulation shows holds for the journal on disk as far as the model is like it.
func TestTheModelIsAJournal(t *testing.T) {
	journaltest.Suite(t, func(*testing.T) journaltest.Store { return subscriber{actorstest.NewJournal()} })
}
