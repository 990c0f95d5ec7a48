package actorstest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service/servicetest"
)

// Trace returns what happened so far.
func (w *World) Trace() string { return w.trace.String() }

// States returns the state of every service by id.
func (w *World) States() map[string]string {
	states := make(map[string]string)
	for _, view := range w.System.Views() {
		states[view.ID] = view.State
	}

	return states
}

// State returns the state of one service.
func (w *World) State(id string) string { return w.States()[id] }

// UntilState waits until a service is in a state.
func (w *World) UntilState(id, state string) {
	w.T.Helper()
	w.Until(5*time.Minute, id+" is "+state, func() bool { return w.State(id) == state })
}

// Events returns the messages of one service, oldest first.
func (w *World) Events(id string) []string {
	var messages []string

	for _, record := range w.Journal.Records() {
		if record.Service == id && record.Message != "" {
			messages = append(messages, fmt.Sprintf("[%s]: %s", record.State, record.Message))
		}
	}

	return messages
}

// Script returns what the journal has of one service, as a golden script for the tests of package service.
func (w *World) Script(id string) string {
	text, err := servicetest.Script(id, slices.DeleteFunc(w.Journal.Records(), func(record events.Record) bool { return record.Service != id }))
	if err != nil {
		return "# " + err.Error()
	}

	return text
}

// IDs lists every service that there ever was.
func (w *World) IDs() []string { return slices.Sorted(slices.Values(w.ids)) }

// CheckViews compares the published views with what the journal alone says.
func (w *World) CheckViews() {
	w.T.Helper()

	folded := make(map[string]events.View)
	for _, view := range w.System.Views() {
		folded[view.ID] = events.NewView(view.ID)
	}

	for _, record := range w.Journal.Records() {
		if view, known := folded[record.Service]; known {
			folded[record.Service] = view.Apply(record)
		}
	}

	for _, view := range w.System.Views() {
		if reflect.DeepEqual(folded[view.ID], view) { // in most cases, and much faster
			continue
		}

		if diff := cmp.Diff(folded[view.ID], view, protocmp.Transform()); diff != "" {
			w.Fatalf("the view of %s is not the fold of the journal (-journal +view):\n%s", view.ID, diff)
		}
	}
}

// Busy lists the calls to the runtime that are under way; to wait for the exit of a task that runs is not one.
func (w *World) Busy() []string {
	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.audit.open)), func(call string) bool {
		for id, attempt := range w.Runtime.Running() {
			if call == (Call{Method: "Wait", ID: id, Attempt: attempt}).String() {
				return true
			}
		}

		return false
	})
}
