package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// recordedFile is the journal of two boots: a service fails in the first one and runs in the second. It returns the state
// directory.
func recordedFile(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()

	for number, boot := range []string{otherBoot, testBoot} {
		j, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{Instance: "i", BootID: boot, RunID: boot}})
		if err != nil {
			t.Fatal(err)
		}

		began := testClock().wallNS + int64(number)*3600*second
		note := func(seconds int64, service, state string, facts ...events.Fact) {
			at := &events.Instant{WallNs: began + seconds*second, BootNs: (10 + seconds) * second}
			decision := events.Decision{Service: service, At: at}

			for _, fact := range facts {
				event := events.New(fact)
				decision.Entries = append(decision.Entries, events.Entry{Event: event, State: state, Attempt: 1, Message: events.Text(service, event)})
			}

			j.Append(decision)
		}

		note(0, "", "", &events.DaemonStarted{Version: "v1", BootId: boot, Pid: 7})
		note(0, "ext-a", events.StateInitialized, &events.SpecLoaded{BootId: boot, Lifecycle: &events.Lifecycle{Restart: "always"}})
		note(20, "ext-a", events.StateRunning, &events.TaskStarted{Attempt: 1, Pid: 70, Container: "ext-a"})

		if number == 0 {
			note(30, "ext-a", events.StateFailed, &events.TaskExited{Attempt: 1, Pid: 70, Exit: &events.Exit{Known: true, Code: 3}},
				&events.ServiceFailed{Reason: "exit code 3"})
		}

		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// Every command that asks for the past answers from a file, which stays as it is; wrong input says what is right.
func TestPastOfAFile(t *testing.T) {
	dir := recordedFile(t)
	before := files(t, dir)

	for _, test := range []struct {
		args   string
		stdout []string // each is in it, in this order
		stderr string
		code   int
	}{
		{args: "events --boot -1 --kind taskexited", stdout: []string{"exited"}},
		{args: "events --service a --since 15s", stdout: []string{"PID 70"}},
		{args: "events --grep exit.code -o yaml", stdout: []string{"---", `kind: "ServiceFailed"`}},
		{args: "events --kind SpecLoaded --tail 1", stdout: []string{"Initialized", "SpecLoaded"}},
		{args: "events --kind Nonsense", stderr: "kinds are: AttemptBegan", code: 1},
		{args: "events --boot -7", stderr: "the journal has 2 (0 to -1)", code: 1},
		{args: "events --since nonsense", stderr: "is no moment", code: 2},
		{args: "events --grep (", stderr: "is no regular expression", code: 1},
		{args: "events -f", stderr: "it is a file", code: 1},
		{args: "replay", stdout: []string{"ext-a", "Running", "0s ago"}, stderr: "after event 8"},
		{args: "replay --at -5s", stdout: []string{"ext-a", "Initialized"}},
		{args: "replay --at 2026-01-02T03:04:30Z", stdout: []string{"ext-a", "Running", "5s ago"}},
		{args: "replay --at boot:-1", stdout: []string{"SERVICE"}, stderr: "after event 1"},
		{args: "replay --at 2026-01-02T03:05:00Z a", stdout: []string{"STATE     Failed", "exit code 3", "(25s ago)"}},
		{args: "replay --at 2000-01-01", stderr: "the journal begins later, with record 1", code: 1},
		{args: "replay --diff 3 --at 5", stdout: []string{"state", "Running", "Failed"}},
		{args: "replay --follow --from boot:-1 --speed max", stdout: []string{"Running", "Failed", "Initialized", "Running"}},
		{args: "replay --follow --speed 0", stderr: "is not a speed", code: 2},
		{args: "replay --at 3 nope", stderr: "was not known then; known were: ext-a", code: 1},
		{args: "journal info", stdout: []string{"1 to 8", "ext-a", "-1", otherBoot, "0", testBoot}},
		{args: "journal verify", stdout: []string{"8 records read: all of it is sound"}},
		{args: "journal export", stdout: []string{`"format":"extactor-journal","version":1`, `"end":true,"records":8`}},
	} {
		t.Run(test.args, func(t *testing.T) {
			application, stdout, stderr := testApp()

			code := application.run(t.Context(), append(strings.Fields(test.args), "--journal", dir))
			if code != test.code {
				t.Errorf("exit code is %d; stderr %q", code, stderr)
			}

			rest := stdout.String()
			for _, part := range test.stdout {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("%q is not in its place in %q; stderr %q", part, stdout, stderr)
				}

				rest = after
			}

			if !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stderr is %q", stderr)
			}
		})
	}

	if after := files(t, dir); after != before {
		t.Errorf("the files were changed: %s, before %s", after, before)
	}
}

// files are the contents of a directory.
func files(t *testing.T, dir string) string {
	t.Helper()

	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}

	var all strings.Builder

	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}

		all.WriteString(name)
		all.Write(content)
	}

	return all.String()
}
