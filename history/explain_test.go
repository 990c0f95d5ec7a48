package history_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

func outline(cause *history.Cause, depth int) string {
	out := fmt.Sprintf("%s%s\n", strings.Repeat("  ", depth), cause.Text)
	for _, because := range cause.Because {
		out += outline(because, depth+1)
	}

	return out
}

// decided is a decision about a service in a state.
func decided(service, state string, cause uint64, facts ...events.Fact) events.Decision {
	decision := events.Decision{Service: service, Cause: cause, At: &events.Instant{BootNs: 1}}
	for _, fact := range facts {
		event := events.New(fact)
		decision.Entries = append(decision.Entries, events.Entry{Event: event, State: state, Message: events.Text(service, event)})
	}

	return decision
}

func depends(keys ...string) *events.SpecLoaded {
	return &events.SpecLoaded{Lifecycle: &events.Lifecycle{Depends: keys}, BootId: "boot-1"}
}

// Services that wait for each other are each told once.
func TestACircleIsToldOnce(t *testing.T) {
	unmet := func(id string) *events.ConditionChanged {
		return &events.ConditionChanged{Key: "service:" + id, Text: fmt.Sprintf("service %q to be %q", id, "up")}
	}
	records := rows(
		decided("ext-a", events.StateWaiting, 0, depends("service:ext-b")),
		decided("ext-b", events.StateWaiting, 0, depends("service:ext-a")),
		decided("ext-a", events.StateWaiting, 2, unmet("ext-b")),
		decided("ext-b", events.StateWaiting, 1, unmet("ext-a")),
	)

	explanation, err := history.Explain(history.In(records), 100, "ext-a")
	if err != nil {
		t.Fatal(err)
	}

	want := `ext-a is waiting
  it waits for service "ext-b" to be "up"
    ext-b is waiting
      it waits for service "ext-a" to be "up"
        ext-a is waiting
`
	if diff := cmp.Diff(want, outline(explanation.Cause, 0)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What was not reported yet is told by its key.
func TestWhatIsNotKnownYetIsTold(t *testing.T) {
	records := rows(decided("ext-a", events.StateWaiting, 0, depends("service:containerd", "time")))

	explanation, err := history.Explain(history.In(records), 100, "ext-a")
	if err != nil {
		t.Fatal(err)
	}

	want := "ext-a is waiting\n  it waits for service containerd\n  it waits for time\n"
	if diff := cmp.Diff(want, outline(explanation.Cause, 0)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A chain ends where the records before it are gone.
func TestWhatIsGoneEndsAChain(t *testing.T) {
	records := rows(
		decided("", "", 0, &events.DaemonStarted{}),
		decided("ext-a", events.StatePreparing, 1, depends(), &events.PreparationStarted{}),
		decided("ext-a", events.StateRunning, 3, &events.TaskStarted{Pid: 7, Container: "ext-a"}),
	)

	for from, want := range map[int]string{
		0: "ext-a is running\n  the task of ext-a (PID 7) was started\n    the daemon took over ext-a\n      extactor  started (PID 0)\n",
		3: "ext-a is running\n  the task of ext-a (PID 7) was started\n",
	} {
		explanation, err := history.Explain(history.In(records[from:]), 100, "ext-a")
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, outline(explanation.Cause, 0)); diff != "" {
			t.Errorf("from record %d (-want +got):\n%s", from+1, diff)
		}
	}
}

// While no daemon ran nothing was supervised, which is told first.
func TestTheEndOfTheDaemonIsTold(t *testing.T) {
	records := rows(
		decided("ext-a", events.StateRunning, 0, &events.TaskStarted{Pid: 7, Container: "ext-a"}),
		decided("", "", 0, &events.DaemonStopped{Reason: "because"}),
	)

	explanation, err := history.Explain(history.In(records), 100, "ext-a")
	if err != nil {
		t.Fatal(err)
	}

	if got := explanation.Cause.Because[0].Text; got != "extactor stopped: because" {
		t.Errorf("the first reason is %q", got)
	}

	var unknown history.ErrUnknown
	if _, err := history.Explain(history.In(records), 100, "ext-b"); !errors.As(err, &unknown) || unknown.Service != "ext-b" {
		t.Errorf("what is not recorded: %v", err)
	}

	broken := errors.New("broken")
	if _, err := history.Explain(func(events.Selection, func(events.Record) bool) error { return broken }, 1, "ext-a"); !errors.Is(err, broken) {
		t.Errorf("a journal that cannot be read: %v", err)
	}
}

// What only a snapshot says, because the record of it was deleted, is known all the same.
func TestWhatASnapshotSaysIsKnown(t *testing.T) {
	records := rows(decided("ext-a", events.StateWaiting, 0, &events.Snapshot{
		State: events.StateWaiting, BootId: "boot-1", Whole: true,
		Conditions: []*events.ConditionState{{Key: "path:/dev/zfs", Text: `file "/dev/zfs" to exist`, Known: true}},
	}))

	explanation, err := history.Explain(history.In(records), 100, "ext-a")
	if err != nil {
		t.Fatal(err)
	}

	if because := explanation.Cause.Because; len(because) != 1 || because[0].Then != "of which nothing is left in the journal" {
		t.Errorf("%+v", because)
	}
}
