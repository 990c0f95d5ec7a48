package actorstest_test

import (
	"testing"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

// After the end of the journal was torn off, its sequences are given again: what was synced before says nothing of them, so
// that a power cut cannot leave half of a decision.
func TestAPowerCutAfterATornTailKeepsWholeDecisions(t *testing.T) {
	journal := actorstest.NewJournal()
	append := func() {
		journal.Append(events.Decision{
			Service: "ext-a", Command: &events.Command{}, At: &events.Instant{}, Entries: []events.Entry{{Event: events.New(&events.SpecLoaded{})}},
		})
	}

	append()
	append()

	if err := journal.Sync(); err != nil {
		t.Fatal(err)
	}

	if lost := journal.Tear(1); lost != 2 {
		t.Fatalf("%d records were torn off", lost)
	}

	if err := journal.Sync(); err != nil {
		t.Fatal(err)
	}

	journal.Tear(1)
	append()

	if lost := journal.PowerCut(); lost != 2 || len(journal.Records()) != 0 {
		t.Errorf("%d records were not synced, %v are left", lost, journal.Records())
	}
}
