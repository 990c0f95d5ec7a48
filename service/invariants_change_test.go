package service_test

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// changesRight: what runs is made anew where a change matters to it, and only there; what a person stopped, or what has
// ended, stays so through any change; what is removed ends.
func changesRight(before service.State, command *events.Command, step service.Step) error {
	after := step.State

	if command.GetRemoveService() != nil && after.Lifecycle != nil && !after.Ended() && (after.Name != events.StateStopping || after.StartAfterStop) {
		return fmt.Errorf("its file is gone, yet it is %s", after.Name)
	}

	change := command.GetChangeSpec()
	if change == nil || before.Lifecycle == nil {
		return nil
	}

	lifecycle := change.GetLifecycle()

	switch {
	case proto.Equal(lifecycle, before.Lifecycle) && len(step.Decision.Entries) > 0:
		return fmt.Errorf("nothing has changed, yet it decided")
	case !proto.Equal(lifecycle, after.Lifecycle):
		return fmt.Errorf("the change was not taken over")
	case after.DesiredStopped != before.DesiredStopped:
		return fmt.Errorf("a change is no person's wish")
	case before.Ended() && after.Ended() == triesAgain(before, lifecycle):
		return fmt.Errorf("a change took it from %s to %s", before.Name, after.Name)
	case before.Name != events.StateRunning:
		return nil
	}

	want := "nothing"

	switch difference := events.Compare(before.Applied, events.TaskHash(lifecycle)); {
	case proto.Equal(lifecycle, before.Lifecycle) || difference == events.Same:
	case difference == events.ContainerDiffers:
		want = "restart: " + events.StopReason_STOP_REASON_SPEC.String()
	case lifecycle.GetOnConfigChange() == "none":
	case lifecycle.GetOnConfigChange() == "signal" && difference == events.FilesDiffer:
		want = "delivery"
	default:
		want = "restart: " + events.StopReason_STOP_REASON_CONFIG.String()
	}

	if got := followed(step); got != want {
		return fmt.Errorf("what runs is %q, what should is %q, onConfigChange %q: %s, not %s", before.Applied,
			events.TaskHash(lifecycle), lifecycle.GetOnConfigChange(), got, want)
	}

	return nil
}

// triesAgain tells whether a changed file, or configuration, gives a service that has ended another try.
func triesAgain(ended service.State, changed *events.Lifecycle) bool {
	restart := ended.Lifecycle.GetRestart() != changed.GetRestart()

	switch {
	case ended.DesiredStopped:
		return false
	case ended.Name == events.StateFinished:
		return ended.FinishedBy == events.StopReason_STOP_REASON_UNSPECIFIED && restart && changed.GetRestart() == "always"
	default:
		return restart || events.TaskHash(ended.Lifecycle) != events.TaskHash(changed) ||
			fmt.Sprint(ended.Lifecycle.GetDepends(), ended.Lifecycle.GetTimeouts()) != fmt.Sprint(changed.GetDepends(), changed.GetTimeouts())
	}
}

// followed names what a step does to a running task.
func followed(step service.Step) string {
	for _, entry := range step.Decision.Entries {
		switch {
		case entry.Event.GetStopBegan() != nil:
			return "restart: " + entry.Event.GetStopBegan().GetReason().String()
		case entry.Event.GetConfigDelivered() != nil:
			return "delivery"
		}
	}

	return "nothing"
}

// limitsRight: only a service that waits, for something of which it is known that it is not met, runs out of time, and
// every such wait has its timer.
func limitsRight(before service.State, command *events.Command, step service.Step) error {
	elapsed := command.GetElapseTimer()

	for _, entry := range step.Decision.Entries {
		skipped, failed := entry.Event.GetServiceSkipped() != nil, entry.Event.GetServiceFailed() != nil && elapsed != nil
		if !skipped && !failed {
			continue
		}

		awaited := slices.ContainsFunc(before.Conditions, func(condition service.Condition) bool {
			return condition.Key == elapsed.GetKey() && condition.Known && !condition.Met
		})
		if before.Name != events.StateWaiting || before.BackingOff || !awaited {
			return fmt.Errorf("out of time in %s: %q", before.Name, entry.Message)
		}
	}

	after := step.State
	if after.Name != events.StateWaiting || after.BackingOff || after.WaitingSince == 0 {
		return nil
	}

	for _, limit := range after.Lifecycle.GetTimeouts() {
		waits := func(state service.State) bool {
			return state.Name == events.StateWaiting && !state.BackingOff && state.Attempt == after.Attempt &&
				state.WaitingSince == after.WaitingSince &&
				slices.ContainsFunc(state.Conditions, func(c service.Condition) bool { return c.Key == limit.GetKey() && c.Known && !c.Met && !c.TimedOut })
		}
		timer := service.ArmTimer{
			Attempt: after.Attempt, Timer: events.Timer_TIMER_DEPENDENCY, Key: limit.GetKey(), At: after.WaitingSince + limit.GetTimeoutNs(),
		}

		if waits(after) && !waits(before) && !slices.Contains(step.Effects, service.Effect(timer)) {
			return fmt.Errorf("no timer for the limit of %s: %v", limit.GetKey(), step.Effects)
		}
	}

	return nil
}

// healthRight: a task is restarted for its health where its file says so, and only when it runs and is unhealthy.
func healthRight(before service.State, command *events.Command, step service.Step) error {
	report := command.GetReportHealth()

	for _, entry := range step.Decision.Entries {
		if entry.Event.GetStopBegan().GetReason() != events.StopReason_STOP_REASON_HEALTH {
			continue
		}

		if report == nil || report.GetHealthy() || before.Name != events.StateRunning || !before.Lifecycle.GetRestartUnhealthy() {
			return fmt.Errorf("restarted for its health by %s in %s", command.KindName(), before.Name)
		}

		return nil
	}

	ours := report != nil && report.GetAttempt() == before.Attempt && before.Name == events.StateRunning

	switch {
	case ours && before.Lifecycle.GetHealthCheck() && !report.GetHealthy() && before.Lifecycle.GetRestartUnhealthy():
		return fmt.Errorf("unhealthy, yet not restarted")
	case step.State.HealthKnown && (step.State.PID == 0 || !step.State.Lifecycle.GetHealthCheck()):
		return fmt.Errorf("the health is known of no task, or without a check")
	case step.State.Up() && step.State.Lifecycle.GetHealthCheck() && !step.State.Healthy:
		return fmt.Errorf("up, though not healthy")
	default:
		return nil
	}
}
