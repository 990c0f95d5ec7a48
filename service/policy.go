package service

import (
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// How long to wait before the next start. Talos waits 5 s whatever happened.
const (
	firstBackoff = 100 * time.Millisecond
	mostBackoff  = 30 * time.Second
	cleanBackoff = 5 * time.Second  // after a clean exit under "always"
	steadyAfter  = 60 * time.Second // a task that ran so long has no failures before it
	killInterval = 30 * time.Second // at least, between one SIGKILL and the next
)

const sigkill = "SIGKILL"

// Backoff is the wait after so many failures in a row, 1 for the first: 100 ms, doubling to 30 s.
func Backoff(failures uint32) time.Duration {
	if failures == 0 {
		failures = 1
	}

	const doublings = 9 // 100 ms * 2^9 is above 30 s
	if failures > doublings {
		return mostBackoff
	}

	return min(firstBackoff<<(failures-1), mostBackoff)
}

// prepared follows the pre state: the container is made next, unless somebody has stopped the service meanwhile or a
// condition has ceased to hold.
func (d *decision) prepared(attempt uint64) {
	switch {
	case attempt != d.state.Attempt || d.state.PID != 0 || d.state.Created:
	case d.state.Name == events.StatePreparing && !d.state.met():
		d.emit(&events.StartFailed{Attempt: attempt, Cancelled: true})
		d.begin()
	case d.state.Name == events.StatePreparing:
		d.emit(&events.RunnerCreated{Attempt: attempt})
	case d.state.Name == events.StateStopping:
		d.emit(&events.StartFailed{Attempt: attempt, Cancelled: true})
		d.conclude()
	}
}

func (d *decision) started(report *events.ReportStarted) {
	if report.GetAttempt() != d.state.Attempt || d.state.PID != 0 {
		return
	}

	if d.state.Name != events.StatePreparing && d.state.Name != events.StateStopping {
		return
	}

	d.emit(&events.TaskStarted{Attempt: report.GetAttempt(), Pid: report.GetPid(), Container: report.GetContainer(), At: d.at})

	switch {
	case d.state.Name != events.StateStopping:
	case d.state.Killed:
		d.kill()
	default:
		d.emit(&events.SignalSent{Signal: d.state.Lifecycle.GetStopSignal(), Pid: d.state.PID})
	}
}

func (d *decision) startFailed(report *events.ReportStartFailed) {
	if report.GetAttempt() != d.state.Attempt || d.state.PID != 0 {
		return
	}

	switch d.state.Name {
	case events.StatePreparing:
		d.emit(&events.StartFailed{Attempt: report.GetAttempt(), Problem: report.GetProblem()})
		d.retry(report.GetProblem())
	case events.StateStopping:
		d.emit(&events.StartFailed{Attempt: report.GetAttempt(), Problem: report.GetProblem(), Cancelled: true})
		d.conclude()
	}
}

func (d *decision) exited(report *events.ReportExited) {
	if report.GetAttempt() != d.state.Attempt || d.state.PID == 0 {
		return
	}

	started := d.state.Started
	d.emit(&events.TaskExited{Attempt: report.GetAttempt(), Exit: report.GetExit(), Pid: d.state.PID})
	d.follow(report.GetExit(), started)
}

// follow applies the restart policy after a task ended, or ends the stop that it was asked for.
func (d *decision) follow(exit *Exit, started *events.Instant) {
	if d.state.Name == events.StateStopping {
		d.conclude()

		return
	}

	ended := d.at
	if exit.GetAt() != nil {
		ended = exit.GetAt()
	}

	if started != nil && time.Duration(ended.GetBootNs()-started.GetBootNs()) >= steadyAfter {
		d.state.Failures = 0 // only for counting on; the event that follows records the new count
	}

	policy := spec.RestartPolicy(d.state.Lifecycle.GetRestart())

	switch {
	case !exit.Success():
		d.retry(exit.Text())
	case policy == spec.RestartAlways:
		d.schedule(cleanBackoff, 0, exit.Text())
	default:
		d.emit(&events.ServiceFinished{})
	}
}

// retry follows a failure: another try after a wait, or the end under "never".
func (d *decision) retry(reason string) {
	if spec.RestartPolicy(d.state.Lifecycle.GetRestart()) == spec.RestartNever {
		d.emit(&events.ServiceFailed{Reason: reason})

		return
	}

	failures := d.state.Failures + 1
	d.schedule(Backoff(failures), failures, reason)
}

func (d *decision) schedule(delay time.Duration, failures uint32, reason string) {
	d.emit(&events.RestartScheduled{
		Attempt: d.state.Attempt + 1, DelayNs: int64(delay), UntilBootNs: d.at.GetBootNs() + int64(delay),
		Reason: reason, Failures: failures,
	})
}

// conclude ends a stop: the service starts again where that is desired, else it is finished.
func (d *decision) conclude() {
	if d.state.StartAfterStop {
		d.begin()

		return
	}

	reason := d.state.StopReason
	if d.state.DesiredStopped {
		reason = events.StopReason_STOP_REASON_PERSON
	}

	d.emit(&events.ServiceFinished{Stopped: reason})
}
