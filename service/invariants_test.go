package service_test

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// violation names the first rule that a step breaks, or nothing. The rules hold for every command in every state.
func violation(before service.State, command *events.Command, step service.Step) error {
	after := step.State

	if len(step.Decision.Entries) == 0 && (len(step.Effects) > 0 || after.Attempt != before.Attempt || configurationOf(after) != configurationOf(before)) {
		return fmt.Errorf("no event, yet something changed: %v", step.Effects)
	}

	if after.Attempt < before.Attempt {
		return fmt.Errorf("the attempt went back from %d to %d", before.Attempt, after.Attempt)
	}

	if problem := impossible(after); problem != nil {
		return problem
	}

	for _, check := range []func(service.State, *events.Command, service.Step) error{starts, deletions, awaits, timersArmed, keeps, changesRight, limitsRight, healthRight} {
		if problem := check(before, command, step); problem != nil {
			return problem
		}
	}

	return nil
}

// impossible tells what a state may never be, whatever led to it.
func impossible(state service.State) error {
	switch {
	case !slices.Contains(events.States(), state.Name):
		return fmt.Errorf("%q is no state", state.Name)
	case state.Name == events.StateRunning && state.PID == 0:
		return fmt.Errorf("Running without a task")
	case state.Name != events.StateRunning && state.Name != events.StateStopping && state.PID != 0:
		return fmt.Errorf("%s with task %d", state.Name, state.PID)
	case state.DesiredStopped && !state.Ended() && state.Name != events.StateStopping:
		return fmt.Errorf("a person stopped it, yet it is %s", state.Name)
	case state.Name == events.StateInitialized && state.Lifecycle != nil:
		return fmt.Errorf("its file is loaded, yet it is Initialized")
	default:
		return nil
	}
}

// starts: a task is prepared and started once a decision, for this attempt, with every condition known to hold, never
// while another one is known, and never while the outcome of an earlier start may still come.
func starts(before service.State, command *events.Command, step service.Step) error {
	var count int

	for _, effect := range step.Effects {
		var attempt uint64

		switch effect := effect.(type) {
		case service.PrepareTask:
			attempt = effect.Attempt

			if inFlight(before) && !reports(command) && command.GetLoadSpec() == nil {
				return fmt.Errorf("prepares attempt %d while the start of %d is in flight", attempt, before.Attempt)
			}
		case service.StartTask:
			attempt = effect.Attempt

			if before.Created && before.Attempt == attempt {
				return fmt.Errorf("starts attempt %d twice", attempt)
			}
		default:
			continue
		}

		count++

		switch {
		case count > 1:
			return fmt.Errorf("two starts in one decision: %v", step.Effects)
		case attempt != step.State.Attempt || step.State.Name != events.StatePreparing || step.State.PID != 0:
			return fmt.Errorf("%T of attempt %d in %s#%d", effect, attempt, step.State.Name, step.State.Attempt)
		case slices.ContainsFunc(step.State.Conditions, func(c service.Condition) bool { return !c.Known || !c.Met }):
			return fmt.Errorf("%T although a condition does not hold", effect)
		}
	}

	return nil
}

func inFlight(state service.State) bool {
	return state.Live && state.PID == 0 && (state.Name == events.StatePreparing || state.Name == events.StateStopping)
}

// reports tells whether the command is the outcome of an effect.
func reports(command *events.Command) bool {
	return command.GetReportPrepared() != nil || command.GetReportStarted() != nil || command.GetReportStartFailed() != nil
}

// deletions: what is deleted is never of an attempt that goes on or may still begin.
func deletions(_ service.State, _ *events.Command, step service.Step) error {
	for _, effect := range step.Effects {
		if deleted, ok := effect.(service.DeleteTask); ok {
			if deleted.Attempt > step.State.Attempt || deleted.Attempt == step.State.Attempt && !step.State.Ended() {
				return fmt.Errorf("deletes attempt %d in %s#%d", deleted.Attempt, step.State.Name, step.State.Attempt)
			}
		}
	}

	return nil
}

// awaits: whoever learns of a task asks for its exit, and asks again when the runtime shows it after the link was lost.
func awaits(before service.State, command *events.Command, step service.Step) error {
	after := step.State
	if after.PID == 0 || !after.Live {
		return nil
	}

	observed := command.GetRecoverService().GetObserved()
	shown := observed.GetStatus() == events.TaskStatus_TASK_STATUS_RUNNING && observed.GetAttempt() == after.Attempt &&
		observed.GetBootId() == after.BootID

	learned := before.PID == 0 || !before.Live || before.Attempt != after.Attempt
	if (learned || shown) && !slices.Contains(step.Effects, service.Effect(service.AwaitExit{Attempt: after.Attempt})) {
		return fmt.Errorf("nobody waits for the exit of attempt %d: %v", after.Attempt, step.Effects)
	}

	return nil
}

// timersArmed: a deadline that is new, or that stands under a new attempt, has its timer.
func timersArmed(before service.State, _ *events.Command, step service.Step) error {
	after := step.State
	has := func(timer events.Timer, at int64) bool {
		return slices.ContainsFunc(step.Effects, func(effect service.Effect) bool {
			return effect == service.ArmTimer{Attempt: after.Attempt, Timer: timer, At: at}
		})
	}

	stopping := after.Name == events.StateStopping
	if stopping && (before.Name != after.Name || before.StopUntil != after.StopUntil || before.Attempt != after.Attempt) &&
		!has(events.Timer_TIMER_STOP, after.StopUntil) {
		return fmt.Errorf("no timer for the end of the grace: %v", step.Effects)
	}

	if after.BackingOff && (!before.BackingOff || before.RetryAt != after.RetryAt || before.Attempt != after.Attempt) &&
		!has(events.Timer_TIMER_BACKOFF, after.RetryAt) {
		return fmt.Errorf("no timer for the end of the backoff: %v", step.Effects)
	}

	return nil
}

// keeps: what ended for the daemon's shutdown stays so until the next daemon or a person, and nobody is told what is
// awaited before everything was reported.
func keeps(before service.State, command *events.Command, step service.Step) error {
	shut := before.Name == events.StateFinished && before.FinishedBy == events.StopReason_STOP_REASON_SHUTDOWN
	asked := command.GetLoadSpec() != nil || command.GetStartService() != nil || command.GetRestartService() != nil

	if shut && !asked && !step.State.Ended() {
		return fmt.Errorf("the daemon goes down, yet the service is %s", step.State.Name)
	}

	unknown := slices.ContainsFunc(step.State.Conditions, func(c service.Condition) bool { return !c.Known })
	for _, entry := range step.Decision.Entries {
		if entry.Event.GetUnmetChanged() != nil && unknown {
			return fmt.Errorf("announces %q before every condition was reported", entry.Message)
		}
	}

	return nil
}

// replayed folds the stored bytes of the entries and tells where that differs from the step.
func replayed(before service.State, step service.Step) error {
	state := before

	for _, entry := range step.Decision.Entries {
		bytes, err := proto.Marshal(entry.Event)
		if err != nil {
			return err
		}

		event := new(events.Event)
		if err := proto.Unmarshal(bytes, event); err != nil {
			return err
		}

		state = service.Apply(state, event)
		if state.Name != entry.State || state.Attempt != entry.Attempt {
			return fmt.Errorf("%s replays to %s#%d, recorded is %s#%d", event.KindName(), state.Name, state.Attempt, entry.State, entry.Attempt)
		}
	}

	if !state.Equal(step.State) {
		return fmt.Errorf("replay differs:\n%+v\n%+v", state.Snapshot(), step.State.Snapshot())
	}

	if restored := service.Apply(service.New(state.ID), events.New(state.Snapshot())); !restored.Equal(state) {
		return fmt.Errorf("a snapshot restores another state:\n%+v\n%+v", restored.Snapshot(), state.Snapshot())
	}

	return nil
}
