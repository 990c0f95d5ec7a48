package service

import (
	"github.com/extactor/extactor/events"
)

// Recover compares what the journal says with what the container runtime shows, after the daemon or the connection came
// back. It is a decision table: the label of the row that was taken is recorded with the decision.
//
// Absence of knowledge is never "nothing": where the runtime could not be asked, nothing is decided.
func Recover(state State, observed *Observed, at *events.Instant) []*events.Event {
	if observed.GetStatus() == events.TaskStatus_TASK_STATUS_UNSPECIFIED {
		return nil
	}

	r := recovery{decision: decision{state: state, at: at}, observed: observed}
	row := r.take()

	if row == "" {
		return nil
	}

	r.emit(&events.Recovered{Row: row, Resume: r.resume})

	return r.events
}

type recovery struct {
	decision
	observed *Observed
	resume   bool // the task goes on: ask for its exit, and for its end, again
}

// take finds the row and emits its events; an empty label means that there is nothing to recover.
func (r *recovery) take() string {
	if r.shows(events.TaskStatus_TASK_STATUS_NONE) {
		return r.takeNone()
	}

	switch {
	case r.startInFlight():
		return r.discardEarlier()
	case r.startedAfterListing() && r.observed.GetAttempt() != r.state.Attempt:
		return "" // what it shows was deleted before the task was started
	case r.observed.GetBootId() != r.state.BootID:
		return r.discard("another boot: delete", "it is of an earlier boot")
	case r.state.Name == events.StateInitialized || r.state.Ended():
		return r.takeEnded()
	case r.state.Name == events.StateWaiting:
		return r.takeWaiting()
	case r.observed.GetAttempt() < r.state.Attempt:
		return r.discard("stale attempt: delete", "it is of an earlier attempt")
	default:
		return r.takeActive()
	}
}

// takeNone: the runtime shows nothing of the service.
func (r *recovery) takeNone() string {
	if r.startedAfterListing() {
		return ""
	}

	switch {
	case r.state.Name == events.StateRunning:
		return r.lost("running, nothing there: lost")
	case r.state.Name == events.StateStopping && r.state.PID != 0:
		return r.lost("stopping, nothing there: finish")
	case r.state.Name == events.StateStopping && !r.state.Live:
		r.conclude()

		return "stopping before the start, nothing there: finish"
	case r.state.Name == events.StatePreparing && !r.state.Live:
		r.begin()

		return "preparing, nothing there: retry"
	case r.state.BackingOff:
		return "backoff, nothing there: re-arm the remaining time"
	default:
		return ""
	}
}

// takeActive: Preparing, Running or Stopping, and something of this attempt or of a later one is there.
func (r *recovery) takeActive() string {
	switch {
	case r.shows(events.TaskStatus_TASK_STATUS_CREATED):
		if r.startedAfterListing() {
			return ""
		}

		return r.discardCreated()
	case r.shows(events.TaskStatus_TASK_STATUS_EXITED):
		r.exitAsObserved()

		return "exited: record the exit"
	case r.state.Name == events.StateStopping:
		r.resume = !r.adoptUnlessKnown()

		return "stopping, running: go on stopping"
	case r.sameHash():
		r.resume = !r.adoptUnlessKnown()
		r.adjust()

		return "running, same hash: adopt"
	default:
		r.resume = !r.adoptUnlessKnown()
		r.beginStop(events.StopReason_STOP_REASON_SPEC)

		return "running, other hash: restart with the new file"
	}
}

// takeWaiting: a waiting attempt was never prepared, so a container of it, or of a later one, means that the journal
// lost that part; one of an earlier attempt is an orphan.
func (r *recovery) takeWaiting() string {
	switch {
	case r.observed.GetAttempt() < r.state.Attempt:
		return r.discard("waiting, stale attempt: delete", "it is of an earlier attempt")
	case r.shows(events.TaskStatus_TASK_STATUS_RUNNING) && r.sameHash():
		r.adopt()
		r.adjust()

		return "waiting, the journal lost the start: adopt"
	case r.shows(events.TaskStatus_TASK_STATUS_EXITED) && r.sameHash():
		r.exitAsObserved()

		return "waiting, the journal lost the start: record the exit"
	case r.shows(events.TaskStatus_TASK_STATUS_CREATED):
		return r.discard("waiting, created: delete", "it was never started")
	default:
		return r.discard("waiting, other file: delete", "its service file has changed")
	}
}

// takeEnded: nothing of the service should be there, unless the journal lost a later start. A daemon that goes down takes
// that task down too, and so does the end of a service whose file is gone.
func (r *recovery) takeEnded() string {
	lostLater := r.observed.GetAttempt() > r.state.Attempt && !r.state.DesiredStopped && !r.state.endedByDaemon()

	if lostLater && r.shows(events.TaskStatus_TASK_STATUS_RUNNING) && r.sameHash() {
		r.adopt()
		r.adjust()

		return "ended, a later attempt runs: adopt and record the gap"
	}

	return r.discard("ended, orphan: delete", "the service is not to run")
}

func (r *recovery) shows(status events.TaskStatus) bool { return r.observed.GetStatus() == status }

// sameHash: what runs is what should run, but for the configuration, whose changes have a policy of their own.
func (r *recovery) sameHash() bool {
	return events.Compare(r.observed.GetSpecHash(), events.TaskHash(r.state.Lifecycle)) < events.ContainerDiffers
}

// startInFlight: this run of the daemon asked for a start whose outcome has not come yet.
func (r *recovery) startInFlight() bool {
	return r.state.Live && r.state.PID == 0 &&
		(r.state.Name == events.StatePreparing || r.state.Name == events.StateStopping)
}

// startedAfterListing: the listing is older than the task, so that it cannot show it as it is.
func (r *recovery) startedAfterListing() bool {
	return r.state.Live && r.state.Started.GetBootNs() >= r.observed.GetAt().GetBootNs()
}

// adoptUnlessKnown records the task unless this run of the daemon already has it.
func (r *recovery) adoptUnlessKnown() (adopted bool) {
	if r.state.Live && r.state.PID != 0 && r.observed.GetAttempt() == r.state.Attempt {
		return false
	}

	r.adopt()

	return true
}

func (r *recovery) adopt() {
	started := r.observed.GetStarted()
	if started == nil {
		started = r.at
	}

	r.emit(&events.TaskAdopted{
		Attempt: r.observed.GetAttempt(), Pid: r.observed.GetPid(), Container: r.observed.GetContainer(), Started: started,
		Hash: r.runs(),
	})
}

// runs is the hash of what runs. The label of a container says with what it was started; what configuration it was given
// since then only the journal knows.
func (r *recovery) runs() string {
	label, applied := r.observed.GetSpecHash(), r.state.Applied
	if r.observed.GetAttempt() != r.state.Attempt || r.state.Deliveries == 0 || events.Compare(label, applied) > events.FilesDiffer {
		return label
	}

	if r.state.Delivering {
		return events.UnknownFiles(applied)
	}

	return applied
}

func (r *recovery) exitAsObserved() {
	started, pid := r.state.Started, r.observed.GetPid()
	if pid == 0 && r.observed.GetAttempt() == r.state.Attempt {
		pid = r.state.PID
	}

	r.emit(&events.TaskExited{Attempt: r.observed.GetAttempt(), Exit: r.observed.GetExit(), Pid: pid})
	r.follow(r.observed.GetExit(), started)
}

// lost: the journal knows a task that is not there. How it ended is unknown, which counts as a failure.
func (r *recovery) lost(row string) string {
	started := r.state.Started
	r.emit(&events.TaskLost{Attempt: r.state.Attempt})
	r.follow(&Exit{}, started)

	return row
}

// discard removes what should not be there, and then goes on as if nothing were. What is removed may bear the number of
// the attempt that waits, or a later one: then a new attempt begins, so that the removal cannot hit its task.
func (r *recovery) discard(row, reason string) string {
	if r.startedAfterListing() {
		return ""
	}

	r.emit(&events.TaskDiscarded{Attempt: r.observed.GetAttempt(), Reason: reason})
	r.takeNone()

	if r.state.Name == events.StateWaiting && r.observed.GetAttempt() == r.state.Attempt {
		r.begin()
	}

	return row
}

// discardEarlier: the start in flight will report, and it deletes what an earlier attempt left, unless it is cancelled
// before it comes to that.
func (r *recovery) discardEarlier() string {
	if r.observed.GetAttempt() >= r.state.Attempt {
		return ""
	}

	r.emit(&events.TaskDiscarded{Attempt: r.observed.GetAttempt(), Reason: "it is of an earlier attempt"})

	return "start in flight, stale attempt: delete"
}

// discardCreated: a container that was made and never started.
func (r *recovery) discardCreated() string {
	r.emit(&events.TaskDiscarded{Attempt: r.observed.GetAttempt(), Reason: "it was never started"})

	switch r.state.Name {
	case events.StateStopping:
		r.conclude()

		return "stopping, created: delete and finish"
	case events.StateRunning:
		return r.lost("running, created: lost")
	default:
		r.begin()

		return "preparing, created: delete and retry"
	}
}
