//go:build !race

package service_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
)

// TestDiagram draws the machine from what it does: every configuration is explored, and each event that takes a service
// from one state to another becomes a label.
func TestDiagram(t *testing.T) {
	edges := map[edge]map[string]bool{}
	reset := map[string]bool{}

	for _, of := range variants() {
		inputs := slices.DeleteFunc(alphabet(of), func(input input) bool { return !telling(input) })

		explore(inputs, func(made transition) {
			from := made.before.Name
			for _, entry := range made.step.Decision.Entries {
				switch {
				case from == entry.State:
				case entry.Event.GetSpecLoaded() != nil && entry.State == events.StateInitialized:
					reset[from] = true
				default:
					add(edges, edge{from: from, to: entry.State}, entry.Event.KindName())
				}

				from = entry.State
			}
		})
	}

	golden(t, "../docs/states.md", draw(edges, reset))
}

type edge struct{ from, to string }

func add(edges map[edge]map[string]bool, at edge, kind string) {
	if edges[at] == nil {
		edges[at] = map[string]bool{}
	}

	edges[at][kind] = true
}

func draw(edges map[edge]map[string]bool, reset map[string]bool) string {
	order := func(a, b edge) int {
		return cmp.Or(
			slices.Index(events.States(), a.from)-slices.Index(events.States(), b.from),
			slices.Index(events.States(), a.to)-slices.Index(events.States(), b.to),
		)
	}

	var out strings.Builder

	out.WriteString(diagramIntro + "```mermaid\nstateDiagram-v2\n    [*] --> " + events.StateInitialized + "\n")

	reached := map[string]bool{events.StateInitialized: true}

	for _, at := range slices.SortedFunc(maps.Keys(edges), order) {
		labels := slices.Sorted(maps.Keys(edges[at]))
		fmt.Fprintf(&out, "    %s --> %s: %s\n", at.from, at.to, strings.Join(labels, " / "))

		reached[at.to] = true
	}

	out.WriteString("```\n\n")

	if len(reset) > 0 {
		fmt.Fprintf(&out, "A file loaded under another kernel boot id takes a service back to %s, whatever it was: %s.\n",
			events.StateInitialized, strings.Join(slices.SortedFunc(maps.Keys(reset), byLife), ", "))
	}

	for _, state := range events.States() {
		if !reached[state] {
			fmt.Fprintf(&out, "No command leads to %s yet; it is kept for the journals and the words of Talos.\n", state)
		}
	}

	return out.String()
}

func byLife(a, b string) int {
	return slices.Index(events.States(), a) - slices.Index(events.States(), b)
}

const diagramIntro = `# The states of a service

This page is drawn from the machine by ` + "`go test ./service -run TestDiagram -rewrite`" + `, which walks every configuration that
package service can get into; the test fails when the page is stale.

An arrow is the event (in ` + "`events/events.proto`" + `) that takes a service from one state to the next. Events that leave the state as it
is are not drawn. What every command decides in every situation stands in ` + "`service/testdata/matrix.txt`" + `.

- *Waiting* is left when every condition holds and no backoff is pending. Each entry to it is a new attempt.
- *Preparing* ends with a task, with a failure, or back in Waiting when a condition has ceased to hold meanwhile.
- *Stopping* goes to Finished, or back to Waiting where a start is wanted after the stop.
- *Finished* and *Failed* are left by a person, by the next daemon where the last one's shutdown was the reason, or where a task
  turns out to run that the journal does not know.

`
