// Package servicetest writes the life of one service as a golden script, which the tests of package service play again.
package servicetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// Render prints a step as golden scripts show it: each event with the state after it, then what follows. Times of timers
// are counted from the command.
func Render(step service.Step) string {
	var out strings.Builder

	for _, entry := range step.Decision.Entries {
		out.WriteString(RenderEntry(entry))
	}

	for _, effect := range step.Effects {
		fmt.Fprintf(&out, "  -> %s\n", renderEffect(effect, step.Decision.At.GetBootNs()))
	}

	return out.String()
}

// RenderEntry prints one event with the state after it.
func RenderEntry(entry events.Entry) string {
	line := fmt.Sprintf("%s#%d %s", entry.State, entry.Attempt, entry.Event.KindName())
	if entry.Message != "" {
		line += ": " + entry.Message
	}

	return line + "\n"
}

func renderEffect(effect service.Effect, now int64) string {
	switch effect := effect.(type) {
	case service.ArmTimer:
		return strings.TrimSpace(fmt.Sprintf("ArmTimer %s in %s (attempt %d) %s", effect.Timer, time.Duration(effect.At-now), effect.Attempt, effect.Key))
	case service.WatchConditions:
		return "WatchConditions " + strings.Join(effect.Keys, " ")
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T %+v", effect, effect), "service.")
	}
}

// Script writes the records of one service, from the first one on, as a script: each command that led to something as
// "take", and as "event" what no command, or no command that is there any more, led to.
func Script(id string, records []events.Record) (string, error) {
	var out strings.Builder

	fmt.Fprintf(&out, "service %s\n----\n\n", id)

	state := service.New(id)

	for first := 0; first < len(records); {
		length := slices.IndexFunc(records[first:], func(record events.Record) bool { return record.Decision != records[first].Decision })
		if length < 0 {
			length = len(records) - first
		}

		decision := records[first : first+length]
		first += length

		text, after, err := scene(state, decision)
		if err != nil {
			return "", err
		}

		out.WriteString(text)

		state = after
	}

	return out.String(), nil
}

// scene writes one decision and returns the state after it.
func scene(state service.State, decision []events.Record) (string, service.State, error) {
	if command := decision[0].Command; command != nil {
		step, err := service.Take(state, command, decision[0].Cause)
		if err == nil && matches(step, decision[1:]) {
			given, err := compact(command)

			return fmt.Sprintf("take\n%s\n----\n%s\n", given, Render(step)), step.State, err
		}
	}

	var out strings.Builder

	for _, record := range decision {
		if record.Event == nil {
			continue
		}

		given, err := compact(record.Event)
		if err != nil {
			return "", state, err
		}

		state = service.Apply(state, record.Event)
		entry := events.Entry{Event: record.Event, State: state.Name, Attempt: state.Attempt, Message: events.Text(state.ID, record.Event)}
		fmt.Fprintf(&out, "event\n%s\n----\n%s\n", given, RenderEntry(entry))
	}

	return out.String(), state, nil
}

// matches tells whether all that was decided is recorded.
func matches(step service.Step, records []events.Record) bool {
	return slices.EqualFunc(step.Decision.Entries, records, func(entry events.Entry, record events.Record) bool {
		return proto.Equal(entry.Event, record.Event)
	})
}

// compact writes a message as JSON in one line, always in the same way.
func compact(message proto.Message) (string, error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return "", fmt.Errorf("cannot write %T: %w", message, err)
	}

	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return "", fmt.Errorf("cannot write %T: %w", message, err)
	}

	return line.String(), nil
}
