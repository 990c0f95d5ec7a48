package service_test

import (
	"fmt"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// checkViews holds what people see to what the machine knows: after every recorded decision, and also where the older
// records were replaced by a snapshot.
func (w *world) checkViews() {
	if len(w.journal) == 0 {
		return
	}

	cut := rapid.IntRange(0, len(w.journal)-1).Draw(w.t, "snapshot after decision")
	whole, short := events.NewView(testID), events.NewView(testID)
	seq := uint64(0)

	for i, step := range w.journal {
		for _, entry := range step.Decision.Entries {
			seq++
			record := events.Record{
				Seq: seq, Event: entry.Event, State: entry.State, Attempt: entry.Attempt, Message: entry.Message,
				BootNS: step.Decision.At.GetBootNs(), BootID: step.State.BootID,
			}

			whole = whole.Apply(record)
			if i > cut {
				short = short.Apply(record)
			}
		}

		if i == cut {
			snapshot := step.State.Snapshot()
			whole.Complete(snapshot)
			short = short.Apply(events.Record{
				Seq: seq, Event: events.New(snapshot), State: step.State.Name, Attempt: step.State.Attempt,
			})
		}

		if err := sameView(whole, step.State); err != nil {
			w.t.Fatalf("after %s: %v", kinds(step), err)
		}

		if i >= cut {
			if diff := cmp.Diff(whole, short, protocmp.Transform(), cmpopts.IgnoreFields(events.View{}, "Recent")); diff != "" {
				w.t.Fatalf("from a snapshot, after %s: %s", kinds(step), diff)
			}
		}
	}
}

// sameView compares every field in which a view and a state speak of the same thing.
func sameView(view events.View, state service.State) error {
	desired := map[bool]string{false: events.DesiredStarted, true: events.DesiredStopped}[state.DesiredStopped]

	if state.Name == events.StateRunning {
		pending := state.Applied != events.TaskHash(state.Lifecycle)
		health := events.Health{Unknown: !state.HealthKnown, Healthy: state.Healthy, LastMessage: state.HealthMessage}

		if view.Applied != state.Applied || view.RestartPending() != pending || view.Health != health {
			return fmt.Errorf("the view shows %q, restart pending %t, health %+v; the machine knows %q, %+v", view.Applied,
				view.RestartPending(), view.Health, state.Applied, health)
		}
	}

	got := fmt.Sprint(view.State, view.Desired, view.Attempt, view.Restarts, view.PID, view.Container, view.NextRetry, view.BootID)
	want := fmt.Sprint(state.Name, desired, state.Attempt, state.Restarts, state.PID, state.Container, state.RetryAt, state.BootID)

	if got != want {
		return fmt.Errorf("the view shows %s, the machine knows %s", got, want)
	}

	if !proto.Equal(view.LastExit, state.LastExit) {
		return fmt.Errorf("the view shows exit %v, the machine knows %v", view.LastExit, state.LastExit)
	}

	if len(view.Conditions) != len(state.Conditions) {
		return fmt.Errorf("the view shows conditions %v, the machine knows %v", view.Conditions, state.Conditions)
	}

	for i, shown := range view.Conditions {
		known := state.Conditions[i]
		known.TimedOut = false // is not shown

		if (service.Condition{Key: shown.Key, Known: shown.Known, Met: shown.Met, Text: shown.Text}) != known {
			return fmt.Errorf("the view shows condition %v, the machine knows %v", shown, known)
		}
	}

	return nil
}
