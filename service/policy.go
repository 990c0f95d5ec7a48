package service

import (
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// How long to wait before the next start, where the file says nothing else. Talos waits 5 s whatever happened.
const (
	firstBackoff = 100 * time.Millisecond
	mostBackoff  = 30 * time.Second
	steadyAfter  = 60 * time.Second // a task that ran so long has no failures before it
	cleanBackoff = 5 * time.Second  // after a clean exit under "always"
	killInterval = 30 * time.Second // at least, between one SIGKILL and the next
)

const sigkill = "SIGKILL"

// Backoff is the wait after so many failures in a row, 1 for the first: initial, doubled with each further one, at most
// max.
func Backoff(initial, most time.Duration, failures uint32) time.Duration {
	wait := initial
	for ; failures > 1 && wait < most; failures-- {
		wait *= 2
	}

	return min(wait, most)
}

// prepared follows the pre state: the container is made next, unless somebody has stopped the service meanwhile or a
// condition has ceased to hold.
func (d *decision) prepared(report *events.ReportPrepared) {
	attempt := report.GetAttempt()

	switch {
	case attempt != d.state.Attempt || d.state.PID != 0 || d.state.Created:
	case d.state.Name == events.StatePreparing && !d.state.met():
		d.emit(&events.StartFailed{Attempt: attempt, Cancelled: true})
		d.begin()
	case d.state.Name == events.StatePreparing:
		d.emit(&events.RunnerCreated{Attempt: attempt, Hash: events.TaskHash(d.state.Lifecycle)})
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

	if replaced := report.GetRootfs() != d.state.Rootfs && d.state.Rootfs != "" && report.GetRootfs() != ""; replaced {
		d.emit(&events.RootfsReplaced{Before: d.state.Rootfs, Now: report.GetRootfs()})
	}

	d.emit(&events.TaskStarted{
		Attempt: report.GetAttempt(), Pid: report.GetPid(), Container: report.GetContainer(), At: d.at, Rootfs: report.GetRootfs(),
	})

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
	ended := d.at
	if exit.GetAt() != nil {
		ended = exit.GetAt()
	}

	steady := or(time.Duration(d.state.Lifecycle.GetBackoffResetNs()), steadyAfter)
	if started != nil && time.Duration(ended.GetBootNs()-started.GetBootNs()) >= steady {
		d.state.Failures = 0 // only for counting on; the event that follows records the new count
	}

	if d.state.Name == events.StateStopping {
		d.conclude()

		return
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

	lifecycle, failures := d.state.Lifecycle, d.state.Failures+1
	most := or(time.Duration(lifecycle.GetBackoffMaxNs()), mostBackoff)
	d.schedule(Backoff(or(time.Duration(lifecycle.GetBackoffInitialNs()), firstBackoff), most, failures), failures, reason)
}

func or(value, otherwise time.Duration) time.Duration {
	if value == 0 {
		return otherwise
	}

	return value
}

func (d *decision) schedule(delay time.Duration, failures uint32, reason string) {
	d.emit(&events.RestartScheduled{
		Attempt: d.state.Attempt + 1, DelayNs: int64(delay), UntilBootNs: d.at.GetBootNs() + int64(delay),
		Reason: reason, Failures: failures,
	})
}

// conclude ends a stop: the service starts again where that is desired, else it is finished.
func (d *decision) conclude() {
	switch {
	case d.state.StartAfterStop && d.state.StopReason == events.StopReason_STOP_REASON_HEALTH:
		d.retry("it was unhealthy")

		return
	case d.state.StartAfterStop:
		d.begin()

		return
	}

	reason := d.state.StopReason
	if d.state.DesiredStopped {
		reason = events.StopReason_STOP_REASON_PERSON
	}

	d.emit(&events.ServiceFinished{Stopped: reason})
}
