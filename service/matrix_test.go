package service_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/service"
)

// golden compares a text with the file of it, or writes the file where the flag -rewrite (of datadriven) is given.
func golden(t *testing.T, path, text string) {
	t.Helper()

	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(filepath.FromSlash(path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	stored, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(strings.Split(string(stored), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("%s is stale; look at the difference, then run: go test ./service -run %s -rewrite\n%s", path, t.Name(), diff)
	}
}

// situation is a configuration that has a name, and the inputs that lead to it.
type situation struct {
	name   string
	of     variant
	inputs []string
}

func situations() []situation {
	waiting := []string{"load", "met"} // with the one condition met, waiting is over at once
	prepared := append(slices.Clone(waiting), "prepared")
	running := append(slices.Clone(prepared), "started")
	then := func(inputs []string, more ...string) []string { return append(slices.Clone(inputs), more...) }

	return []situation{
		{"nothing loaded", variant{restart: "always"}, nil},
		{"Waiting, not everything reported", variant{restart: "always"}, []string{"load"}},
		{"Waiting, for a condition", variant{restart: "always"}, []string{"load", "unmet"}},
		{"Waiting, backing off", variant{restart: "always"}, then(running, "exited 3")},
		{"Waiting, backing off, new run of the daemon", variant{restart: "always"}, then(running, "exited 3", "load")},
		{"Preparing", variant{restart: "always"}, waiting},
		{"Preparing, new run of the daemon", variant{restart: "always"}, then(waiting, "load")},
		{"Preparing, container asked for", variant{restart: "always"}, prepared},
		{"Preparing, a condition ceased to hold", variant{restart: "always"}, then(waiting, "unmet")},
		{"Running", variant{restart: "always"}, running},
		{"Running, untilSuccess", variant{restart: "untilSuccess"}, running},
		{"Running, never", variant{restart: "never"}, running},
		{"Running, new run of the daemon", variant{restart: "always"}, then(running, "load")},
		{"Stopping by a person", variant{restart: "always"}, then(running, "stop")},
		{"Stopping by a person, killed", variant{restart: "always"}, then(running, "stop", "stop timer")},
		{"Stopping by a person, start wanted after it", variant{restart: "always"}, then(running, "stop", "start")},
		{"Stopping by a person, while preparing", variant{restart: "always"}, then(waiting, "stop")},
		{"Stopping by a person, while the container is made", variant{restart: "always"}, then(prepared, "stop")},
		{"Stopping by a person, new run of the daemon", variant{restart: "always"}, then(running, "stop", "load")},
		{"Stopping for a restart", variant{restart: "always"}, then(running, "restart")},
		{"Stopping for the daemon's shutdown", variant{restart: "always"}, then(running, "shutdown")},
		{"Stopping for a changed file", variant{restart: "always"}, then(running, "load(changed file)", "shows running, other file")},
		{"Finished by a person", variant{restart: "always"}, then(running, "stop", "exited 0")},
		{"Finished by the daemon's shutdown", variant{restart: "always"}, then(running, "shutdown", "exited 0")},
		{"Finished by itself", variant{restart: "never"}, then(running, "exited 0")},
		{"Failed", variant{restart: "never"}, then(running, "exited 3")},
		{"Waiting, with a limit", variant{restart: "always", timeout: "skip"}, []string{"load", "unmet"}},
		{"Skipped", variant{restart: "always", timeout: "skip"}, []string{"load", "unmet", "dependency timer"}},
		{"Running, onConfigChange signal", variant{restart: "always", onConfigChange: "signal"}, running},
		{"Running, onConfigChange none", variant{restart: "always", onConfigChange: "none"}, running},
		{"Running, restart pending", variant{restart: "always", onConfigChange: "none"}, then(running, "change(configuration)")},
		{"Running, health unknown", variant{restart: "always", health: "restart"}, running},
		{"Running, healthy", variant{restart: "always", health: "restart"}, then(running, "healthy")},
		{"Stopping for its health", variant{restart: "always", health: "restart"}, then(running, "unhealthy")},
		{"Stopping for a changed configuration", variant{restart: "always"}, then(running, "change(configuration)")},
		{"Stopping because its file is gone", variant{restart: "always"}, then(running, "remove")},
		{"Finished because its file is gone", variant{restart: "always"}, then(running, "remove", "exited 0")},
	}
}

// TestMatrix writes down what every command decides in every situation, so that a change of the machine shows as a
// difference that somebody reads.
func TestMatrix(t *testing.T) {
	var out strings.Builder

	out.WriteString("What every command decides in every situation. Commands that decide alike stand together. What bears another\n" +
		"attempt decides nothing, and several oddities at once are left out: both are tested, but tell a reader nothing.\n" +
		"Written by: go test ./service -run TestMatrix -rewrite\n")

	for _, situation := range situations() {
		state := reach(t, situation)
		fmt.Fprintf(&out, "\n== %s (%s)\n", situation.name, describe(state))

		var rows []string

		members := map[string][]string{}

		for _, input := range alphabet(situation.of) {
			if !telling(input) {
				continue
			}

			row := decides(state, input)
			if members[row] == nil {
				rows = append(rows, row)
			}

			members[row] = append(members[row], input.name)
		}

		for _, row := range rows {
			fmt.Fprintf(&out, "%s\n%s", row, wrapped(members[row]))
		}
	}

	golden(t, "testdata/matrix.txt", out.String())
}

// telling leaves out what would only make the matrix longer.
func telling(input input) bool {
	return !input.stale && strings.Count(input.name, ",") <= 1 &&
		(input.name == "shows none, old listing" || !strings.Contains(input.name, "old listing"))
}

func reach(t *testing.T, wanted situation) service.State {
	t.Helper()

	state := service.New(testID)

	for _, name := range wanted.inputs {
		index := slices.IndexFunc(alphabet(wanted.of), func(input input) bool { return input.name == name })
		if index < 0 {
			t.Fatalf("%s: no input %q", wanted.name, name)
		}

		step, err := service.Take(state, alphabet(wanted.of)[index].make(state), 0)
		if err != nil || len(step.Decision.Entries) == 0 {
			t.Fatalf("%s: %q decides nothing in %s: %v", wanted.name, name, state.Name, err)
		}

		state = step.State
	}

	return state
}

func describe(state service.State) string {
	text := fmt.Sprintf("%s#%d", state.Name, state.Attempt)
	if state.PID != 0 {
		text += fmt.Sprintf(", PID %d", state.PID)
	}

	if state.DesiredStopped {
		text += ", desired stopped"
	}

	return text
}

func decides(state service.State, input input) string {
	step, err := service.Take(state, input.make(state), 0)

	switch {
	case err != nil:
		return "refused"
	case len(step.Decision.Entries) == 0:
		return "nothing"
	default:
		return fmt.Sprintf("%s => %s#%d", kinds(step), step.State.Name, step.State.Attempt)
	}
}

// wrapped sets names into lines of at most 120 characters.
func wrapped(names []string) string {
	const width = 120

	var out strings.Builder

	line := "   "
	for _, name := range names {
		if len(line)+len(name)+3 > width {
			out.WriteString(line + "\n")

			line = "   "
		}

		line += " [" + name + "]"
	}

	return out.String() + line + "\n"
}
