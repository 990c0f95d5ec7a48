package service

import (
	"fmt"
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

	before := events.TaskHash(d.state.Lifecycle)
	d.emit(&events.SpecChanged{Lifecycle: lifecycle})

	switch d.state.Name {
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
		d.emit(&events.ConfigDelivered{
			Attempt: d.state.Attempt, Signal: lifecycle.GetConfigSignal(), Hash: events.TaskHash(lifecycle),
		})
	default:
		d.beginStop(events.StopReason_STOP_REASON_CONFIG)
	}
}

// configRefused: files came or went, which the mounts of a running container cannot follow.
func (d *decision) configRefused(report *events.ReportConfigRefused) {
	if report.GetAttempt() == d.state.Attempt && d.state.Name == events.StateRunning {
		d.beginStop(events.StopReason_STOP_REASON_CONFIG)
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
	for _, limit := range d.state.Lifecycle.GetTimeouts() {
		awaited, known := d.state.condition(key)
		elapsed := d.at.GetBootNs() - d.state.WaitingSince

		if limit.GetKey() != key || !known || !awaited.Known || awaited.Met || elapsed < limit.GetTimeoutNs() {
			continue
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

		return
	}
}
