package main

import (
	"context"
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// prunedFile is the journal of a service whose first records were deleted. It returns the state directory.
func prunedFile(t *testing.T) (dir string, floor uint64) {
	t.Helper()

	dir = t.TempDir()
	options := journal.Options{
		Dir: dir, Identity: journal.Identity{Instance: "i", BootID: testBoot, RunID: testBoot}, Snapshot: func(context.Context) error { return nil },
	}

	j, err := journal.Open(options)
	if err != nil {
		t.Fatal(err)
	}

	j.Append(events.Decision{
		At: &events.Instant{WallNs: testClock().wallNS}, Entries: []events.Entry{{Event: events.New(&events.DaemonStarted{}), Message: "started"}},
	})

	note := func(seconds int64, state string, facts ...events.Fact) {
		decision := events.Decision{Service: "ext-a", At: &events.Instant{WallNs: testClock().wallNS + seconds*second, BootNs: seconds * second}}

		for _, fact := range facts {
			event := events.New(fact)
			decision.Entries = append(decision.Entries, events.Entry{Event: event, State: state, Attempt: 1, Message: events.Text("ext-a", event)})
		}

		j.Append(decision)
	}

	note(1, events.StateWaiting, &events.SpecLoaded{BootId: testBoot, Lifecycle: &events.Lifecycle{Depends: []string{"time"}}},
		&events.ConditionChanged{Key: "time", Text: "time sync"})

	for range 30 {
		note(2, events.StatePreparing, &events.PreparationStarted{})
	}

	note(3, events.StateRunning, &events.TaskStarted{Attempt: 1, Pid: 7, Container: "ext-a"})

	if floor, err = j.Prune(t.Context(), 20); err != nil || floor < 10 {
		t.Fatalf("floor is %d, %v", floor, err)
	}

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	return dir, floor
}

// What was deleted because it was old is not silently missing of what is shown of that time, and only of that.
func TestDeletedEventsAreMissed(t *testing.T) {
	dir, _ := prunedFile(t)

	for args, missed := range map[string]bool{
		"plot": true, "explain a --at 5": true, "events --boot 0": true, "events --tail -1": true, "replay --at 5": true, "replay --diff 5": true, "replay --follow --speed max --from 5": true, "graph --at 5": true,
		"replay --follow --speed max": true, "events": false, "events --tail 5": false, "events --since 25": false, "events --tail -1 --since 25": false,
	} {
		_, stderr, code := called(t, append(strings.Fields(args), "--journal", dir)...)
		if told := strings.Contains(stderr, "something may be missing: events before "); code != exitDone || told != missed {
			t.Errorf("%s: exit %d, told %t, want %t: %s", args, code, told, missed, stderr)
		}
	}
}

// A variable of a script that is not set does not stand for another moment.
func TestEmptyMomentsAreRefused(t *testing.T) {
	dir := recordedFile(t)

	for _, args := range []string{
		"replay --at=", "replay --diff=", "replay --follow --from=", "replay --follow --to=", "graph --at=", "explain a --at=", "plot --boot=",
		"events --since=", "events --until=", "events --boot=", "report --since=", "report --until=", "report --boot=",
	} {
		stdout, stderr, code := called(t, append(strings.Fields(args), "--journal", dir)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, " is empty: it does not say which moment is meant") {
			t.Errorf("%s: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// One is not many.
func TestOneRecordIsCountedAsOne(t *testing.T) {
	dir := t.TempDir()

	j, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{Instance: "i", BootID: testBoot, RunID: testBoot}})
	if err != nil {
		t.Fatal(err)
	}

	j.Append(events.Decision{At: &events.Instant{WallNs: 1}, Entries: []events.Entry{{Event: events.New(&events.DaemonStarted{}), Message: "started"}}})

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	for args, want := range map[string]string{
		"journal verify": "1 record read: ", "journal export": "1 record exported", "replay --check": "1 event, 0 decisions taken again", "report -o " + dir + "/page": "has 1 record of 0 services",
	} {
		stdout, stderr, code := called(t, append(strings.Fields(args), "--journal", dir)...)
		if code != exitDone || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: exit %d, want %q in\n%s%s", args, code, want, stdout, stderr)
		}
	}
}
