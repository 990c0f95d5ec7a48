package actorstest

import (
	"time"

	"github.com/extactor/extactor/events"
)

// expectation is what must follow from the history of one service, worked out beside the machine and more simply: a
// machine that is wrong everywhere agrees with itself.
type expectation struct {
	stopped  bool // a person wants it so
	done     bool // it has ended by itself under a policy that leaves it so
	failures uint32
	started  int64 // CLOCK_BOOTTIME nanoseconds; 0 for no task
	clean    bool  // its task ended without error and nobody asked it to
	attempt  uint64
}

// The defaults of a file that says nothing.
const (
	expectedFirst  = 100 * time.Millisecond
	expectedMost   = 30 * time.Second
	expectedSteady = time.Minute
	expectedClean  = 5 * time.Second
)

// command follows what a person wants.
func (e *expectation) command(command *events.Command) {
	switch command.GetKind().(type) {
	case *events.Command_StopService:
		e.stopped = true
	case *events.Command_StartService, *events.Command_RestartService:
		e.stopped, e.done = false, false
	}
}

// event follows an event in a state, the one before it, and says what is wrong with it.
func (e *expectation) event(state string, lifecycle *events.Lifecycle, boot string, event *events.Event, at int64) (problem string) {
	switch kind := event.GetKind().(type) {
	case *events.Event_SpecLoaded:
		if kind.SpecLoaded.GetBootId() != boot {
			*e = expectation{attempt: e.attempt}
		}
	case *events.Event_Snapshot:
		e.failures, e.attempt = kind.Snapshot.GetFailures(), kind.Snapshot.GetAttempt()
		e.started, e.stopped = kind.Snapshot.GetStarted().GetBootNs(), kind.Snapshot.GetDesiredStopped()
	case *events.Event_AttemptBegan:
		problem = e.begin(kind.AttemptBegan.GetAttempt())

		if state != events.StatePreparing {
			e.failures = 0
		}
	case *events.Event_PreparationStarted:
		if e.stopped {
			problem = "it is prepared, though a person wants it stopped"
		}
	case *events.Event_TaskStarted:
		e.started = kind.TaskStarted.GetAt().GetBootNs()
	case *events.Event_TaskAdopted:
		e.started, e.done, e.attempt = kind.TaskAdopted.GetStarted().GetBootNs(), false, kind.TaskAdopted.GetAttempt()
	case *events.Event_StartFailed:
		e.clean = false
	case *events.Event_TaskExited:
		exit := kind.TaskExited.GetExit()
		if exit.GetAt() != nil {
			at = exit.GetAt().GetBootNs()
		}

		e.attempt = max(e.attempt, kind.TaskExited.GetAttempt())
		e.end(lifecycle, at, exit.Success() && state != events.StateStopping)
	case *events.Event_TaskDiscarded:
		e.attempt = max(e.attempt, kind.TaskDiscarded.GetAttempt())
	case *events.Event_TaskLost:
		e.end(lifecycle, at, false)
	case *events.Event_ServiceFinished:
		e.done = kind.ServiceFinished.GetStopped() == events.StopReason_STOP_REASON_UNSPECIFIED
	case *events.Event_RestartScheduled:
		problem = e.schedule(lifecycle, kind.RestartScheduled, at)
	}

	return problem
}

// end follows the end of a task.
func (e *expectation) end(lifecycle *events.Lifecycle, at int64, clean bool) {
	steady := orDefault(lifecycle.GetBackoffResetNs(), expectedSteady)
	if e.started != 0 && time.Duration(at-e.started) >= steady {
		e.failures = 0
	}

	e.started, e.clean = 0, clean
}

// begin judges the beginning of an attempt.
func (e *expectation) begin(attempt uint64) (problem string) {
	switch {
	case e.stopped:
		problem = "an attempt begins, though a person wants it stopped"
	case e.done:
		problem = "an attempt begins, though it has ended by itself"
	case attempt != e.attempt+1:
		problem = "the attempts do not count on"
	}

	e.attempt = attempt

	return problem
}

// schedule judges how long a service waits for its next start.
func (e *expectation) schedule(lifecycle *events.Lifecycle, scheduled *events.RestartScheduled, at int64) (problem string) {
	problem = e.begin(scheduled.GetAttempt())

	wait := expectedClean
	if e.clean {
		e.failures = 0
	} else {
		e.failures++
		wait = orDefault(lifecycle.GetBackoffInitialNs(), expectedFirst)

		for range min(e.failures-1, 32) {
			wait = min(2*wait, orDefault(lifecycle.GetBackoffMaxNs(), expectedMost))
		}
	}

	e.clean = false

	if problem == "" && (scheduled.GetUntilBootNs() != at+int64(wait) || scheduled.GetFailures() != e.failures) {
		problem = "it waits " + time.Duration(scheduled.GetUntilBootNs()-at).String() + ", not " + wait.String()
	}

	return problem
}

func orDefault(nanoseconds int64, otherwise time.Duration) time.Duration {
	if nanoseconds == 0 {
		return otherwise
	}

	return time.Duration(nanoseconds)
}
