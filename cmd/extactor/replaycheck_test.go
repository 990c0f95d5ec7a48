package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/service"
)

// crashing records how a service starts and fails three times, with waits that are so many times what the machine decides,
// and returns the directory of the journal and the sequences of the failures.
func crashing(t *testing.T, waits int64) (dir string, failures []uint64) {
	t.Helper()

	dir = t.TempDir()

	kept, err := journal.Open(journal.Options{
		Identity: journal.Identity{Instance: "i", BootID: testBoot, RunID: "r"}, Dir: dir, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}

	state, boot, cause := service.New("ext-crash"), 10*second, uint64(0)
	began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).UnixNano()
	give := func(order events.Order) uint64 {
		boot += second

		step, err := service.Take(state, events.NewCommand(&events.Instant{WallNs: began + boot, BootNs: boot}, nil, order), cause)
		if err != nil || len(step.Decision.Entries) == 0 {
			t.Fatalf("%T changes nothing: %v", order, err)
		}

		for i, entry := range step.Decision.Entries {
			if scheduled := entry.Event.GetRestartScheduled(); scheduled != nil && waits != 1 {
				scheduled.DelayNs *= waits
				step.Decision.Entries[i].Message = events.Text("ext-crash", entry.Event)
			}
		}

		state = step.State
		receipt := kept.Append(step.Decision)
		cause = receipt.Last()

		return receipt.Records[0].Seq
	}

	give(&events.LoadSpec{Lifecycle: &events.Lifecycle{Restart: "always"}, BootId: testBoot})

	for range 3 {
		attempt := state.Attempt
		give(&events.ReportPrepared{Attempt: attempt})
		give(&events.ReportStarted{Attempt: attempt, Pid: 7, Container: "ext-crash"})
		failures = append(failures, give(&events.ReportExited{
			Attempt: attempt, Exit: &events.Exit{Known: true, Code: 1, LastLines: "one\nno such device\n"},
		}))
		give(&events.ElapseTimer{Attempt: attempt + 1, Timer: events.Timer_TIMER_BACKOFF})
	}

	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}

	return dir, failures
}

// called runs a command line and returns what it printed.
func called(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()

	var out, problems bytes.Buffer

	a := newApp()
	a.stdout, a.stderr, a.clock = &out, &problems, testClock
	code = a.run(t.Context(), args)

	return out.String(), problems.String(), code
}

func TestARecordingHasNoDifferences(t *testing.T) {
	dir, _ := crashing(t, 1)

	stdout, stderr, code := called(t, "replay", "--check", "--journal", dir)
	if want := "34 events, 13 decisions taken again: 0 differ\n"; code != exitDone || stdout != want || stderr != "" {
		t.Errorf("exit %d\n%s%s\nwant %s", code, stdout, stderr, want)
	}

	if _, stderr, code := called(t, "replay", "--check", "crash", "--journal", dir); code != exitUsage {
		t.Errorf("with an id: exit %d, %s", code, stderr)
	}

	if _, stderr, code := called(t, "replay", "--check", "--journal", dir+"/none"); code != exitFailed || !strings.Contains(stderr, "none") {
		t.Errorf("without a journal: exit %d, %s", code, stderr)
	}
}

// A journal of a machine with another backoff differs at its first failure, and nowhere before.
func TestAnotherBackoffIsFound(t *testing.T) {
	dir, failures := crashing(t, 3)

	stdout, stderr, code := called(t, "replay", "--check", "--journal", dir)
	if code != exitFailed || stderr != "" || !strings.HasPrefix(stdout, fmt.Sprintf("ext-crash: the decision of event %d differs: ", failures[0])) ||
		!strings.HasSuffix(stdout, "13 decisions taken again: 3 differ\n") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}

	for _, want := range []string{`recorded Waiting#2 RestartScheduled`, `"delayNs":"300000000"`, `today    Waiting#2 RestartScheduled`, `"delayNs":"100000000"`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%s is not in\n%s", want, stdout)
		}
	}

	var document checkDocument

	stdout, _, code = called(t, "replay", "--check", "--journal", dir, "-o", "json")
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || code != exitFailed {
		t.Fatalf("exit %d, %v:\n%s", code, err, stdout)
	}

	if document.Differences != 3 || len(document.First) != 1 || document.First[0].Seq != failures[0] ||
		len(document.First[0].Recorded) != 2 || len(document.First[0].Today) != 2 {
		t.Errorf("%+v", document)
	}
}
