package service

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// change follows a changed file or configuration: what runs is made anew only where the difference matters to it.
func (d *decision) change(lifecycle *events.Lifecycle) {
	if proto.Equal(lifecycle, d.state.Lifecycle) {
		return
	}

	former := d.state.Lifecycle
	before := events.TaskHash(former)
	d.emit(&events.SpecChanged{Lifecycle: lifecycle})

	switch d.state.Name {
	case events.StateFinished, events.StateFailed, events.StateSkipped:
		if !d.state.DesiredStopped && d.corrected(former) {
			d.begin()
		}
	case events.StateWaiting:
		if d.state.BackingOff && before != events.TaskHash(lifecycle) {
			d.begin() // what failed is no longer what would be started

			return
		}

		d.advance()
	case events.StatePreparing:
		switch events.Compare(before, events.TaskHash(lifecycle)) {
		case events.Same:
		case events.ContainerDiffers:
			d.beginStop(events.StopReason_STOP_REASON_SPEC)
		default:
			d.beginStop(events.StopReason_STOP_REASON_CONFIG)
		}
	case events.StateRunning:
		d.adjust()
	}
}

// adjust brings a running task in line with its file and configuration.
func (d *decision) adjust() {
	lifecycle := d.state.Lifecycle
	policy := spec.ConfigChange(lifecycle.GetOnConfigChange())

	switch difference := events.Compare(d.state.Applied, events.TaskHash(lifecycle)); {
	case difference == events.Same:
	case difference == events.ContainerDiffers:
		d.beginStop(events.StopReason_STOP_REASON_SPEC)
	case policy == spec.ConfigIgnored:
	case policy == spec.ConfigSignals && difference == events.FilesDiffer:
		d.deliver()
	default:
		d.beginStop(events.StopReason_STOP_REASON_CONFIG)
	}
}

func (d *decision) deliver() {
	d.emit(&events.ConfigDelivered{
		Attempt: d.state.Attempt, Signal: d.state.Lifecycle.GetConfigSignal(), Hash: events.TaskHash(d.state.Lifecycle),
		Delivery: d.state.Deliveries + 1,
	})
}

func (d *decision) configDelivered(report *events.ReportConfigDelivered) {
	if report.GetAttempt() == d.state.Attempt && d.state.Delivering && report.GetDelivery() == d.state.Deliveries {
		d.emit(&events.ConfigConfirmed{Attempt: report.GetAttempt(), Delivery: report.GetDelivery()})
	}
}

// corrected tells whether a service that has ended by itself deserves another try, because its file is no longer the one
// with which it ended. What has failed or was skipped does where anything that could be the reason has changed; what has
// finished well does only where it is to run always now: a job that is done is not done again for a changed file.
func (d *decision) corrected(former *events.Lifecycle) bool {
	now := d.state.Lifecycle
	other := former.GetRestart() != now.GetRestart()

	switch {
	case former == nil:
		return false
	case d.state.Completed():
		return other && spec.RestartPolicy(now.GetRestart()) == spec.RestartAlways
	case d.state.Name != events.StateFailed && d.state.Name != events.StateSkipped:
		return false
	default:
		return other || events.TaskHash(former) != events.TaskHash(now) || !slices.Equal(former.GetDepends(), now.GetDepends()) ||
			!slices.EqualFunc(former.GetTimeouts(), now.GetTimeouts(), func(a, b *events.DependencyTimeout) bool { return proto.Equal(a, b) })
	}
}

// configRefused: files came or went, which the mounts of a running container cannot follow.
func (d *decision) configRefused(report *events.ReportConfigRefused) {
	if report.GetAttempt() == d.state.Attempt && d.state.Name == events.StateRunning {
		d.beginStop(events.StopReason_STOP_REASON_CONFIG)
	}
}

// outputLost is about the attempt that ended last; the next one may wait already, but is not started before the other is
// removed. Most often its exit has told the loss: only where containerd was away then, it could not be known yet.
func (d *decision) outputLost(report *events.ReportOutputLost) {
	ended := report.GetAttempt() < d.state.Attempt || report.GetAttempt() == d.state.Attempt && d.state.PID == 0
	if ended && !d.state.LastExit.GetOutputLost() {
		d.emit(&events.OutputLost{Attempt: report.GetAttempt()})
	}
}

// remove ends a service whose file is gone.
func (d *decision) remove() {
	switch d.state.Name {
	case events.StateInitialized, events.StateWaiting:
		d.emit(&events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_REMOVED})
	case events.StatePreparing, events.StateRunning:
		d.beginStop(events.StopReason_STOP_REASON_REMOVED)
	case events.StateStopping:
		if d.state.StartAfterStop {
			d.emit(&events.StopBegan{Reason: events.StopReason_STOP_REASON_REMOVED, UntilBootNs: d.state.StopUntil})
		}
	}
}

// health follows a health check. Only a change is recorded, and what must be followed by a restart.
func (d *decision) health(report *events.ReportHealth) {
	known, same := d.state.HealthKnown, d.state.Healthy == report.GetHealthy()
	restart := !report.GetHealthy() && d.state.Lifecycle.GetRestartUnhealthy()

	switch {
	case report.GetAttempt() != d.state.Attempt || d.state.Name != events.StateRunning || !d.state.Lifecycle.GetHealthCheck():
		return
	case known && same && !restart && d.state.HealthMessage == report.GetMessage():
		return
	}

	d.emit(&events.HealthChanged{Healthy: report.GetHealthy(), Message: report.GetMessage(), Repeated: known && same})

	if restart {
		d.beginStop(events.StopReason_STOP_REASON_HEALTH)
	}
}

// timeOut follows a dependency that was not met in time. One of which nothing was reported yet may well be met: its timer
// is armed again by the report that it is not.
func (d *decision) timeOut(key string) {
	limit := limitOf(d.state.Lifecycle, key)
	awaited, known := d.state.condition(key)
	elapsed := d.at.GetBootNs() - d.state.WaitingSince

	if limit == nil || !known || !awaited.Known || awaited.Met || awaited.TimedOut || elapsed < limit.GetTimeoutNs() {
		return
	}

	reason := fmt.Sprintf("waited %s for %s", time.Duration(limit.GetTimeoutNs()), awaited.describe())

	switch spec.TimeoutAction(limit.GetAction()) {
	case spec.TimeoutSkips:
		d.emit(&events.ServiceSkipped{Reason: reason})
	case spec.TimeoutFails:
		d.emit(&events.ServiceFailed{Reason: reason})
	default:
		d.emit(&events.DependencyTimedOut{Key: key, Text: awaited.describe(), TimeoutNs: limit.GetTimeoutNs()})
	}
}

// limitOf is the limit of a wait; nil where there is none.
func limitOf(lifecycle *events.Lifecycle, key string) *events.DependencyTimeout {
	for _, limit := range lifecycle.GetTimeouts() {
		if limit.GetKey() == key {
			return limit
		}
	}

	return nil
}
