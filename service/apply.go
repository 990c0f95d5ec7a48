package service

import (
	"slices"

	"github.com/extactor/extactor/events"
)

// Apply folds one event into the state. It is total: an event of an unknown kind, or one about something else than the
// service's life, changes nothing.
func Apply(state State, event *events.Event) State {
	switch kind := event.GetKind().(type) {
	case *events.Event_SpecLoaded:
		return applySpec(state, kind.SpecLoaded)
	case *events.Event_DesiredChanged:
		state.DesiredStopped = !kind.DesiredChanged.GetStarted()
		if state.Name == events.StateStopping {
			state.StartAfterStop = !state.DesiredStopped
		}
	case *events.Event_AttemptBegan:
		if state.Name != events.StatePreparing { // else it is the same try, interrupted
			state.Failures = 0
		}

		state = waiting(state, kind.AttemptBegan.GetAttempt())
		state = waitsSince(state, kind.AttemptBegan.GetBootNs())
	case *events.Event_ConditionChanged:
		state.Conditions = applyCondition(state.Conditions, kind.ConditionChanged)
	case *events.Event_UnmetChanged:
		state.Announced = kind.UnmetChanged.GetUnmet()
	case *events.Event_PreparationStarted:
		state.Name, state.Live, state.Created = events.StatePreparing, true, false
	case *events.Event_RunnerCreated:
		state.Created, state.Applied = true, kind.RunnerCreated.GetHash()
	case *events.Event_RestartScheduled:
		scheduled := kind.RestartScheduled
		state = waiting(state, scheduled.GetAttempt())
		state.BackingOff, state.RetryAt, state.Failures = true, scheduled.GetUntilBootNs(), scheduled.GetFailures()
		state.Restarts++
	case *events.Event_BackoffElapsed:
		state.BackingOff, state.RetryAt = false, 0
		state = waitsSince(state, kind.BackoffElapsed.GetBootNs())
	case *events.Event_ServiceFinished:
		state = ended(state, events.StateFinished)
		state.FinishedBy = kind.ServiceFinished.GetStopped()
	case *events.Event_ServiceFailed:
		state = ended(state, events.StateFailed)
	case *events.Event_ServiceSkipped:
		state = ended(state, events.StateSkipped)
	case *events.Event_SpecChanged:
		before := state.Lifecycle
		state.Lifecycle = kind.SpecChanged.GetLifecycle()
		state.Conditions = retained(state.Conditions, before, state.Lifecycle)

		state = unchecked(state)
	case *events.Event_Snapshot:
		return restore(state.ID, kind.Snapshot)
	default:
		return applyTask(state, event)
	}

	return state
}

// applyTask folds what concerns the task of an attempt.
func applyTask(state State, event *events.Event) State {
	switch kind := event.GetKind().(type) {
	case *events.Event_TaskStarted:
		state = running(state, kind.TaskStarted.GetPid(), kind.TaskStarted.GetContainer())
		state.Started, state.Rootfs = kind.TaskStarted.GetAt(), kind.TaskStarted.GetRootfs()
	case *events.Event_TaskAdopted:
		state = running(state, kind.TaskAdopted.GetPid(), kind.TaskAdopted.GetContainer())
		state.Attempt, state.Started = kind.TaskAdopted.GetAttempt(), kind.TaskAdopted.GetStarted()
		state.Applied = kind.TaskAdopted.GetHash()
		state.Delivering = false // its hash says what is not known
		state.HealthKnown, state.Healthy, state.HealthMessage = false, false, ""
		state.BackingOff, state.RetryAt = false, 0
	case *events.Event_HealthChanged:
		state.HealthKnown, state.Healthy = true, kind.HealthChanged.GetHealthy()
		state.HealthMessage = kind.HealthChanged.GetMessage()
	case *events.Event_ConfigDelivered:
		state.Applied = kind.ConfigDelivered.GetHash()
		state.Deliveries, state.Delivering = kind.ConfigDelivered.GetDelivery(), true
	case *events.Event_ConfigConfirmed:
		state.Delivering = false
	case *events.Event_DependencyTimedOut:
		state.Conditions = timedOut(state.Conditions, kind.DependencyTimedOut.GetKey())
	case *events.Event_TaskExited:
		state.Attempt = max(state.Attempt, kind.TaskExited.GetAttempt())
		state.PID, state.Container, state.LastExit = 0, "", kind.TaskExited.GetExit()
	case *events.Event_TaskDiscarded:
		state.Attempt = max(state.Attempt, kind.TaskDiscarded.GetAttempt())
	case *events.Event_TaskLost:
		state.PID, state.Container, state.LastExit = 0, "", &Exit{}
	case *events.Event_StopBegan:
		if state.Name != events.StateStopping {
			state.Name, state.Killed = events.StateStopping, false
		}

		state.StopReason, state.StopUntil = kind.StopBegan.GetReason(), kind.StopBegan.GetUntilBootNs()
		state.StartAfterStop = restarts(state.StopReason)
	case *events.Event_SignalSent:
		if kind.SignalSent.GetSignal() == sigkill {
			state.Killed = true
			if kind.SignalSent.GetUntilBootNs() != 0 {
				state.StopUntil = kind.SignalSent.GetUntilBootNs()
			}
		}
	}

	return state
}

// restarts tells whether a stop for this reason is followed by a start.
func restarts(reason events.StopReason) bool {
	switch reason {
	case events.StopReason_STOP_REASON_RESTART, events.StopReason_STOP_REASON_SPEC,
		events.StopReason_STOP_REASON_CONFIG, events.StopReason_STOP_REASON_HEALTH:
		return true
	default:
		return false
	}
}

// applySpec begins a run of the daemon: what was known of the conditions is void. A new boot begins a new life; only the
// attempt goes on counting, so that nothing left of an earlier boot can be taken for something new.
func applySpec(state State, loaded *events.SpecLoaded) State {
	if state.BootID != loaded.GetBootId() {
		state = State{ID: state.ID, Name: events.StateInitialized, Attempt: state.Attempt, BootID: loaded.GetBootId()}
	}

	state.Lifecycle = loaded.GetLifecycle()
	state.Live = false
	state = unchecked(state)

	state.Conditions = make([]Condition, 0, len(state.Lifecycle.GetDepends()))
	for _, key := range state.Lifecycle.GetDepends() {
		state.Conditions = append(state.Conditions, Condition{Key: key})
	}

	// The daemon died while it was going down, or the file is there again: what it was stopping starts again under this one.
	if state.Name == events.StateStopping && byDaemon(state.StopReason) {
		state.StartAfterStop = !state.DesiredStopped
	}

	return state
}

// unchecked forgets the health where there is no check any more: what an old one said would count for a new one.
func unchecked(state State) State {
	if !state.Lifecycle.GetHealthCheck() {
		state.HealthKnown, state.Healthy, state.HealthMessage = false, false, ""
	}

	return state
}

// retained keeps what is known of the conditions that are still awaited.
func retained(conditions []Condition, before, now *events.Lifecycle) []Condition {
	kept := make([]Condition, 0, len(now.GetDepends()))

	for _, key := range now.GetDepends() {
		index := slices.IndexFunc(conditions, func(condition Condition) bool { return condition.Key == key })
		if index < 0 {
			kept = append(kept, Condition{Key: key})

			continue
		}

		condition := conditions[index]
		condition.TimedOut = condition.TimedOut && limitOf(before, key).GetTimeoutNs() == limitOf(now, key).GetTimeoutNs()
		kept = append(kept, condition)
	}

	return kept
}

// waitsSince begins a wait, of which nothing was said yet.
func waitsSince(state State, bootNS int64) State {
	state.WaitingSince = bootNS
	state.Conditions = slices.Clone(state.Conditions)

	for i := range state.Conditions {
		state.Conditions[i].TimedOut = false
	}

	return state
}

func timedOut(conditions []Condition, key string) []Condition {
	conditions = slices.Clone(conditions)
	for i := range conditions {
		conditions[i].TimedOut = conditions[i].TimedOut || conditions[i].Key == key
	}

	return conditions
}

func applyCondition(conditions []Condition, changed *events.ConditionChanged) []Condition {
	conditions = slices.Clone(conditions)
	for i := range conditions {
		if conditions[i].Key == changed.GetKey() {
			conditions[i].Known, conditions[i].Met, conditions[i].Text = true, changed.GetMet(), changed.GetText()
		}
	}

	return conditions
}

func waiting(state State, attempt uint64) State {
	state = settled(state)
	state.Name, state.Attempt, state.Announced = events.StateWaiting, attempt, nil

	return state
}

func ended(state State, name string) State {
	state = settled(state)
	state.Name, state.Announced = name, nil

	return state
}

// settled clears what belongs to one task and to one stop of it.
func settled(state State) State {
	state.PID, state.Container, state.Started = 0, "", nil
	state.Live, state.Created = false, false
	state.BackingOff, state.RetryAt = false, 0
	state.StopReason, state.StopUntil, state.Killed, state.StartAfterStop = 0, 0, false, false
	state.FinishedBy, state.WaitingSince = 0, 0
	state.Applied, state.Deliveries, state.Delivering = "", 0, false
	state.HealthKnown, state.Healthy, state.HealthMessage = false, false, ""

	return state
}

// running keeps Stopping: a task that turns out to have started while it is being stopped is still being stopped.
func running(state State, pid uint32, container string) State {
	state.PID, state.Container, state.Live, state.FinishedBy = pid, container, true, 0
	if state.Name != events.StateStopping {
		state.Name = events.StateRunning
	}

	return state
}
