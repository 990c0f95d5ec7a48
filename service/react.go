package service

import (
	"slices"

	"github.com/extactor/extactor/events"
)

// Effect is what others must do because of an event. It is sealed: the types below are all there are.
type Effect interface{ effect() }

type (
	// WatchConditions asks for reports about these conditions, and no others, from now on.
	WatchConditions struct{ Keys []string }
	// ArmTimer asks for an ElapseTimer command at a moment of CLOCK_BOOTTIME, nanoseconds.
	ArmTimer struct {
		Attempt uint64
		Timer   events.Timer
		Key     string // of the condition, for TIMER_DEPENDENCY
		At      int64
	}
	// PrepareTask asks for ReportPrepared or ReportStartFailed.
	PrepareTask struct{ Attempt uint64 }
	// StartTask asks for ReportStarted or ReportStartFailed.
	StartTask struct{ Attempt uint64 }
	// CancelStart asks that a PrepareTask or StartTask in flight end soon; its outcome is still reported.
	CancelStart struct{ Attempt uint64 }
	// AwaitExit asks for ReportExited once the task ended.
	AwaitExit struct{ Attempt uint64 }
	// SignalTask sends a signal to the task's PID 1.
	SignalTask struct {
		Attempt uint64
		Signal  string
	}
	// KillTask sends SIGKILL to all processes of the task.
	KillTask struct{ Attempt uint64 }
	// UpdateConfig gives a running task its changed configuration files and then a signal; it asks for
	// ReportConfigDelivered, or for ReportConfigRefused where that cannot be done.
	UpdateConfig struct {
		Attempt  uint64
		Delivery uint64
		Signal   string
	}
	// MonitorHealth asks for ReportHealth for as long as the task runs.
	MonitorHealth struct{ Attempt uint64 }
	// DeleteTask removes what is left of an attempt, killing it first if it still runs.
	DeleteTask struct{ Attempt uint64 }
)

func (WatchConditions) effect() {}
func (ArmTimer) effect()        {}
func (PrepareTask) effect()     {}
func (StartTask) effect()       {}
func (CancelStart) effect()     {}
func (AwaitExit) effect()       {}
func (SignalTask) effect()      {}
func (KillTask) effect()        {}
func (UpdateConfig) effect()    {}
func (MonitorHealth) effect()   {}
func (DeleteTask) effect()      {}

// React says what must be done because of an event; state is the state after it.
func React(state State, event *events.Event) []Effect {
	switch kind := event.GetKind().(type) {
	case *events.Event_SpecLoaded:
		return append([]Effect{WatchConditions{Keys: state.Lifecycle.GetDepends()}}, timers(state)...)
	case *events.Event_SpecChanged:
		return slices.Concat([]Effect{WatchConditions{Keys: state.Lifecycle.GetDepends()}}, timers(state), monitor(state))
	case *events.Event_AttemptBegan, *events.Event_BackoffElapsed:
		return timers(state)
	case *events.Event_ConditionChanged:
		return slices.DeleteFunc(timers(state), func(effect Effect) bool {
			timer := effect.(ArmTimer)

			return timer.Timer != events.Timer_TIMER_DEPENDENCY || timer.Key != kind.ConditionChanged.GetKey()
		})
	case *events.Event_ConfigDelivered:
		return []Effect{UpdateConfig{
			Attempt: state.Attempt, Delivery: state.Deliveries, Signal: kind.ConfigDelivered.GetSignal(),
		}}
	case *events.Event_PreparationStarted:
		return []Effect{PrepareTask{Attempt: state.Attempt}}
	case *events.Event_RunnerCreated:
		return []Effect{StartTask{Attempt: state.Attempt}}
	case *events.Event_TaskStarted:
		return append([]Effect{AwaitExit{Attempt: state.Attempt}}, monitor(state)...)
	case *events.Event_TaskAdopted:
		return resume(state)
	case *events.Event_RestartScheduled:
		return timers(state)
	case *events.Event_StopBegan:
		if state.PID == 0 {
			return append(timers(state), CancelStart{Attempt: state.Attempt})
		}

		return timers(state)
	case *events.Event_SignalSent:
		return signal(state, kind.SignalSent)
	case *events.Event_StartFailed:
		return []Effect{DeleteTask{Attempt: kind.StartFailed.GetAttempt()}}
	case *events.Event_TaskExited:
		return []Effect{DeleteTask{Attempt: kind.TaskExited.GetAttempt()}}
	case *events.Event_TaskLost:
		return []Effect{DeleteTask{Attempt: kind.TaskLost.GetAttempt()}}
	case *events.Event_TaskDiscarded:
		return []Effect{DeleteTask{Attempt: kind.TaskDiscarded.GetAttempt()}}
	case *events.Event_Recovered:
		if kind.Recovered.GetResume() {
			return resume(state)
		}

		return nil
	default:
		return nil
	}
}

// timers are those that the state waits for.
func timers(state State) []Effect {
	switch {
	case state.Name == events.StateWaiting && state.BackingOff:
		return []Effect{ArmTimer{Attempt: state.Attempt, Timer: events.Timer_TIMER_BACKOFF, At: state.RetryAt}}
	case state.Name == events.StateStopping:
		return []Effect{ArmTimer{Attempt: state.Attempt, Timer: events.Timer_TIMER_STOP, At: state.StopUntil}}
	case state.Name == events.StateWaiting:
		return limits(state)
	default:
		return nil
	}
}

// limits are the timers of the dependencies that are awaited.
func limits(state State) []Effect {
	var effects []Effect

	for _, limit := range state.Lifecycle.GetTimeouts() {
		if awaited, known := state.condition(limit.GetKey()); known && !awaited.Met && !awaited.TimedOut {
			effects = append(effects, ArmTimer{
				Attempt: state.Attempt, Timer: events.Timer_TIMER_DEPENDENCY, Key: limit.GetKey(),
				At: state.WaitingSince + limit.GetTimeoutNs(),
			})
		}
	}

	return effects
}

func monitor(state State) []Effect {
	if state.Name != events.StateRunning || !state.Lifecycle.GetHealthCheck() {
		return nil
	}

	return []Effect{MonitorHealth{Attempt: state.Attempt}}
}

func signal(state State, sent *events.SignalSent) []Effect {
	if sent.GetSignal() != sigkill {
		return []Effect{SignalTask{Attempt: state.Attempt, Signal: sent.GetSignal()}}
	}

	effects := []Effect{KillTask{Attempt: state.Attempt}}
	if state.PID == 0 {
		effects = []Effect{CancelStart{Attempt: state.Attempt}}
	}

	return append(effects, timers(state)...)
}

// resume issues again what was in flight for a task when the connection, or the daemon, went away. The timer too: the
// task may be of a later attempt than the one for which it was armed.
func resume(state State) []Effect {
	effects := slices.Concat([]Effect{AwaitExit{Attempt: state.Attempt}}, timers(state), monitor(state))

	switch {
	case state.Name != events.StateStopping:
	case state.Killed:
		effects = append(effects, KillTask{Attempt: state.Attempt})
	default:
		effects = append(effects, SignalTask{Attempt: state.Attempt, Signal: state.Lifecycle.GetStopSignal()})
	}

	return effects
}
