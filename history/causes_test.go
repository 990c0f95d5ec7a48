package history_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// rows lays decisions out as a journal does.
func rows(decisions ...events.Decision) []events.Record {
	var records []events.Record

	for _, decision := range decisions {
		first := uint64(len(records) + 1)
		base := events.Record{
			Service: decision.Service, Cause: decision.Cause, Decision: first, Origin: decision.Origin, BootID: "boot-1",
			WallNS: decision.At.GetWallNs(), BootNS: decision.At.GetBootNs(),
		}

		if decision.Command != nil {
			record := base
			record.Seq, record.Kind, record.Command = first, decision.Command.KindName(), decision.Command
			records = append(records, record)
		}

		for _, entry := range decision.Entries {
			record := base
			record.Seq, record.Kind, record.Event = uint64(len(records)+1), entry.Event.KindName(), entry.Event
			record.State, record.Attempt, record.Message = entry.State, entry.Attempt, entry.Message
			records = append(records, record)
		}
	}

	return records
}

// observed is a decision about a condition.
func observed(key string, cause uint64) events.Decision {
	return events.Decision{
		Service: "ext-a", Cause: cause, Command: events.NewCommand(nil, nil, &events.ObserveCondition{Key: key}),
		Entries: []events.Entry{{Event: events.New(&events.ConditionChanged{Key: key})}},
	}
}

func TestCheckCauses(t *testing.T) {
	got := history.CheckCauses(rows(
		events.Decision{Entries: []events.Entry{{Event: events.New(&events.DaemonStarted{})}}}, // 1
		observed("path:/dev/zfs", 0),   // 2, 3
		observed("service:ext-b", 1),   // 4, 5
		observed("service:ext-b", 0),   // 6, 7
		observed("completed:ext-b", 8), // 8, 9
		events.Decision{Service: "ext-a", Entries: []events.Entry{{Event: events.New(&events.Snapshot{})}}}, // 10
	))
	want := []string{
		`record 6 (command.ObserveCondition of "ext-a") has no cause and is no root fact`,
		`record 8 (command.ObserveCondition of "ext-a") is caused by 8, which is not earlier`,
		`record 9 (ConditionChanged of "ext-a") is caused by 8, which is not earlier`,
		`record 10 (Snapshot of "ext-a") has no cause and is no root fact`,
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
