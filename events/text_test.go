package events_test

import (
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
)

// TestText holds the words to the letter. The first five are those of the reference.
func TestText(t *testing.T) {
	containerd := `service "containerd" to be "up"`
	lines := "one\nlast \"words\"\n"

	for _, row := range []struct {
		fact events.Fact
		want string
	}{
		{&events.UnmetChanged{Unmet: []string{containerd, "network"}}, `Waiting for service "containerd" to be "up", network`},
		{&events.UnmetChanged{Unmet: []string{containerd}}, `Waiting for service "containerd" to be "up"`},
		{&events.PreparationStarted{}, "Running pre state"},
		{&events.RunnerCreated{}, "Creating service runner"},
		{
			&events.TaskStarted{Pid: 1100, Container: "ext-hello-world"},
			"Started task ext-hello-world (PID 1100) for container ext-hello-world",
		},

		{&events.StartFailed{Problem: "no such file"}, ""},
		{&events.StartFailed{Problem: "no such file", Cancelled: true}, "Start was cancelled"},
		{&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true}}, "Task ext-hello-world (PID 7) exited without error"},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true, Explanation: "its shim was killed"}},
			"Task ext-hello-world (PID 7) exited without error: its shim was killed",
		},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true, LastLines: lines}},
			"Task ext-hello-world (PID 7) exited without error",
		},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true, Code: 3, LastLines: lines}},
			`Task ext-hello-world (PID 7) exited with code 3: last line "last \"words\""`,
		},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true, Code: 1, LastLines: strings.Repeat("é", 200)}},
			`Task ext-hello-world (PID 7) exited with code 1: last line "` + strings.Repeat("é", 160) + `…"`,
		},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{Known: true, Code: 1, LastLines: "a\xffb"}},
			`Task ext-hello-world (PID 7) exited with code 1: last line "a?b"`,
		},
		{
			&events.TaskExited{Pid: 7, Exit: &events.Exit{
				Known: true, Code: 1, LastLines: "exec /x: exec format error\n", Explanation: `entrypoint "/x" is no program`,
			}},
			`Task ext-hello-world (PID 7) exited with code 1: entrypoint "/x" is no program`,
		},
		{&events.RestartScheduled{DelayNs: 100_000_000, Reason: "exited with code 3"}, "Going to restart in 100ms: exited with code 3"},
		{&events.StopBegan{Reason: events.StopReason_STOP_REASON_PERSON}, "Stop requested"},
		{&events.StopBegan{Reason: events.StopReason_STOP_REASON_RESTART}, "Restart requested"},
		{&events.StopBegan{Reason: events.StopReason_STOP_REASON_SHUTDOWN}, "Stopping for the daemon's shutdown"},
		{&events.StopBegan{Reason: events.StopReason_STOP_REASON_SPEC}, "Restarting with the changed service file"},
		{&events.SignalSent{Signal: "SIGTERM", Pid: 7}, "Sending SIGTERM to task ext-hello-world (PID 7)"},
		{&events.ServiceFinished{}, "Service finished successfully"},
		{&events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_PERSON}, "Service was stopped"},
		{&events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_SHUTDOWN}, "Service was stopped for the daemon's shutdown"},
		{&events.ServiceFailed{Reason: "exited with code 3"}, "Failed to run service: exited with code 3"},
		{&events.ServiceSkipped{Reason: "not here"}, "Service skipped: not here"},
		{&events.TaskAdopted{Pid: 7, Container: "c"}, "Adopted running task ext-hello-world (PID 7) for container c"},
		{&events.TaskLost{}, "Task ext-hello-world is gone and nobody knows how it ended"},
		{&events.TaskDiscarded{Attempt: 3, Reason: "it is old"}, "Removing container ext-hello-world of attempt 3: it is old"},
		{&events.OutputLost{Attempt: 3}, "Some of the last output of attempt 3 is lost, because its shim was killed"},
		{&events.Gap{From: 3, To: 5}, "Records 3 to 5 of the journal were lost"},
		{&events.SpecRejected{File: "a.yaml", Problems: []string{"3:1", "9:5"}}, "Skipped a.yaml, which has problems at line:column 3:1, 9:5"},
		{&events.SpecRejected{File: "a.yaml", Problems: []string{"cannot read file: permission denied"}}, "Skipped a.yaml, which has a problem: cannot read file: permission denied"},

		{&events.JournalChanged{Healthy: true}, "Recording events"},
		{&events.JournalChanged{Detail: "the disk is full"}, "Keeping events in memory, they cannot be recorded: the disk is full"},

		// Facts for the journal only.
		{&events.ConfigConfirmed{Attempt: 1, Delivery: 1}, ""},
		{&events.SpecLoaded{}, ""},
		{&events.SpecRejected{File: "a.yaml"}, ""},
		{&events.DesiredChanged{}, ""},
		{&events.AttemptBegan{}, ""},
		{&events.ConditionChanged{Text: "time sync"}, ""},
		{&events.BackoffElapsed{}, ""},
		{&events.Recovered{Row: "x"}, ""},
		{&events.Snapshot{}, ""},
	} {
		if got := events.Text("ext-hello-world", events.New(row.fact)); got != row.want {
			t.Errorf("%T:\n got %s\nwant %s", row.fact, got, row.want)
		}
	}
}

func TestExitText(t *testing.T) {
	for _, row := range []struct {
		exit    *events.Exit
		want    string
		success bool
	}{
		{nil, "ended, exit code unknown", false},
		{&events.Exit{}, "ended, exit code unknown", false},
		{&events.Exit{Known: true}, "exited without error", true},
		{&events.Exit{Known: true, Code: 3}, "exited with code 3", false},
		{&events.Exit{Known: true, Code: 137, Signal: 9}, "was ended by signal 9 (SIGKILL)", false},
		{&events.Exit{Known: true, Code: 137, Signal: 9, Oom: true}, "was killed for lack of memory (exit code 137)", false},
		{&events.Exit{Known: true, Oom: true}, "exited without error; a process of it was killed for lack of memory", true},
		{&events.Exit{Known: true, Code: 3, Oom: true}, "exited with code 3; a process of it was killed for lack of memory", false},
		{&events.Exit{Known: true, Code: 143, Signal: 15, Oom: true}, "was ended by signal 15 (SIGTERM); a process of it was killed for lack of memory", false},
		{&events.Exit{Oom: true}, "ended, exit code unknown", false},
		{&events.Exit{Known: true, Code: 192, Signal: 64}, "was ended by signal 64 (signal 64)", false},
	} {
		if got := row.exit.Text(); got != row.want || row.exit.Success() != row.success {
			t.Errorf("%v: %q, success %t", row.exit, got, row.exit.Success())
		}
	}
}
