package sim_test

import (
	"testing"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal/journaltest"
	"github.com/extactor/extactor/service"
)

type subscriber struct{ *actorstest.Journal }

func (s subscriber) Subscribe(after uint64) journaltest.Stream { return s.Journal.Subscribe(after) }

// What the simulation shows holds for the journal on disk as far as the model is like it.
func TestTheModelIsAJournal(t *testing.T) {
	journaltest.Suite(t, func(*testing.T) journaltest.Store { return subscriber{actorstest.NewJournal()} })
}

// decideAgain takes every decision of a life again, as "replay --check" does.
func decideAgain(records []events.Record) service.CheckReport {
	var checker service.Checker
	for _, record := range records {
		checker.Add(record)
	}

	return checker.Report()
}

// The decisions of whole lives are taken again, and not only those to which nothing can be said.
func TestLivesAreDecidedAgain(t *testing.T) {
	var all service.CheckReport

	for seed := range uint64(20) {
		lived := run(t, seed+1, (*actorstest.World).Mute)
		report(t, lived)

		found := decideAgain(lived.records)
		all.Decisions += found.Decisions
		all.Differences += found.Differences
		all.Uncertain += found.Uncertain
	}

	if all.Decisions < 1000 || all.Differences > 0 || all.Uncertain*20 > all.Decisions {
		t.Errorf("%+v", all)
	}

	t.Logf("%+v", all)
}
