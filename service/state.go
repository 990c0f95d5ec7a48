package service

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
)

// State is all that decides what happens next to one service. It is a value: Apply returns a new one.
type State struct {
	ID             string
	Name           string // one of events.States
	DesiredStopped bool   // a person stopped it
	Attempt        uint64 // counts entries to Waiting; names everything that belongs to one try
	Lifecycle      *events.Lifecycle
	BootID         string

	Conditions []Condition // in the order in which they are announced
	Announced  []string    // what this attempt said last that it waits for

	PID       uint32 // of the task; 0 where none is known
	Container string
	Started   *events.Instant

	// Created: the container of this attempt was asked for, so that being prepared is no news any more.
	Created bool

	// Live: the effects in flight were handed out by this run of the daemon, so their outcome will still come.
	Live bool

	BackingOff bool
	RetryAt    int64 // CLOCK_BOOTTIME nanoseconds
	Failures   uint32

	StopReason     events.StopReason
	StopUntil      int64 // CLOCK_BOOTTIME nanoseconds
	Killed         bool  // SIGKILL was sent
	StartAfterStop bool

	Applied string // TaskHash of what was started, to compare with what should run

	Deliveries uint64 // of changed configuration to the running task
	Delivering bool   // the last of them is not confirmed: what the task has is not known for certain

	Rootfs string // identity of the root file system that was started last

	HealthKnown   bool
	Healthy       bool
	HealthMessage string

	WaitingSince int64 // CLOCK_BOOTTIME nanoseconds; dependencies time out from here

	FinishedBy events.StopReason // unspecified: it ended by itself
	Restarts   uint64
	LastExit   *Exit
}

// Condition is the last that was reported of one dependency.
type Condition struct {
	Key   string
	Known bool
	Met   bool
	Text  string

	TimedOut bool // it was said that this wait takes too long
}

// New returns the state of a service of which nothing is recorded.
func New(id string) State { return State{ID: id, Name: events.StateInitialized} }

// met tells whether every condition is known to hold.
func (s State) met() bool {
	return !slices.ContainsFunc(s.Conditions, func(condition Condition) bool { return !condition.Known || !condition.Met })
}

// known tells whether every condition was reported, so that the list of unmet ones would be true.
func (s State) known() bool {
	return !slices.ContainsFunc(s.Conditions, func(condition Condition) bool { return !condition.Known })
}

// unmet is the list behind "Waiting for": each text once, in the order of the conditions.
func (s State) unmet() []string {
	var texts []string

	for _, condition := range s.Conditions {
		if !condition.Met && !slices.Contains(texts, condition.Text) {
			texts = append(texts, condition.Text)
		}
	}

	return texts
}

func (s State) condition(key string) (Condition, bool) {
	index := slices.IndexFunc(s.Conditions, func(condition Condition) bool { return condition.Key == key })
	if index < 0 {
		return Condition{}, false
	}

	return s.Conditions[index], true
}

// describe words a condition, also one of which nothing was reported yet.
func (c Condition) describe() string {
	if c.Text == "" {
		return c.Key
	}

	return c.Text
}

// Met tells whether the condition of this key is known to hold.
func (s State) Met(key string) bool {
	return slices.ContainsFunc(s.Conditions, func(condition Condition) bool {
		return condition.Key == key && condition.Known && condition.Met
	})
}

// Up tells whether those who depend on the service may start: it runs and, where it has a health check, is healthy.
func (s State) Up() bool {
	return s.Name == events.StateRunning && (!s.Lifecycle.GetHealthCheck() || s.HealthKnown && s.Healthy)
}

// Completed tells whether the service has ended by itself and without error.
func (s State) Completed() bool {
	return s.Name == events.StateFinished && s.FinishedBy == events.StopReason_STOP_REASON_UNSPECIFIED
}

// Ended tells whether nothing of the service runs and nothing will start by itself.
func (s State) Ended() bool {
	switch s.Name {
	case events.StateFinished, events.StateFailed, events.StateSkipped:
		return true
	default:
		return false
	}
}

// endedByDaemon tells whether it was the daemon's own doing that the service has ended, so that the next one starts it.
func (s State) endedByDaemon() bool {
	return s.Name == events.StateFinished && byDaemon(s.FinishedBy)
}

// byDaemon tells whether a stop for this reason was the daemon's own doing.
func byDaemon(reason events.StopReason) bool {
	return reason == events.StopReason_STOP_REASON_SHUTDOWN || reason == events.StopReason_STOP_REASON_REMOVED
}

// Snapshot is the whole state as one fact; Apply of it restores the state.
func (s State) Snapshot() *events.Snapshot {
	snapshot := &events.Snapshot{
		State: s.Name, DesiredStopped: s.DesiredStopped, Attempt: s.Attempt, Lifecycle: s.Lifecycle, BootId: s.BootID,
		Announced: s.Announced, Pid: s.PID, Container: s.Container, Started: s.Started, Live: s.Live,
		BackingOff: s.BackingOff, RetryBootNs: s.RetryAt, Failures: s.Failures,
		StopReason: s.StopReason, StopBootNs: s.StopUntil, Killed: s.Killed, StartAfterStop: s.StartAfterStop,
		FinishedBy: s.FinishedBy, Restarts: s.Restarts, LastExit: s.LastExit, Created: s.Created,
		Applied: s.Applied, Rootfs: s.Rootfs, WaitingBootNs: s.WaitingSince,
		HealthKnown: s.HealthKnown, Healthy: s.Healthy, HealthMessage: s.HealthMessage,
		Deliveries: s.Deliveries, Delivering: s.Delivering,
	}
	for _, condition := range s.Conditions {
		snapshot.Conditions = append(snapshot.Conditions, &events.ConditionState{
			Key: condition.Key, Known: condition.Known, Met: condition.Met, Text: condition.Text,
			TimedOut: condition.TimedOut,
		})
	}

	return snapshot
}

func restore(id string, snapshot *events.Snapshot) State {
	state := State{
		ID: id, Name: snapshot.GetState(), DesiredStopped: snapshot.GetDesiredStopped(), Attempt: snapshot.GetAttempt(),
		Lifecycle: snapshot.GetLifecycle(), BootID: snapshot.GetBootId(), Announced: snapshot.GetAnnounced(),
		PID: snapshot.GetPid(), Container: snapshot.GetContainer(), Started: snapshot.GetStarted(), Live: snapshot.GetLive(),
		BackingOff: snapshot.GetBackingOff(), RetryAt: snapshot.GetRetryBootNs(), Failures: snapshot.GetFailures(),
		StopReason: snapshot.GetStopReason(), StopUntil: snapshot.GetStopBootNs(), Killed: snapshot.GetKilled(),
		StartAfterStop: snapshot.GetStartAfterStop(), FinishedBy: snapshot.GetFinishedBy(),
		Restarts: snapshot.GetRestarts(), LastExit: snapshot.GetLastExit(), Created: snapshot.GetCreated(),
		Applied: snapshot.GetApplied(), Rootfs: snapshot.GetRootfs(), WaitingSince: snapshot.GetWaitingBootNs(),
		HealthKnown: snapshot.GetHealthKnown(), Healthy: snapshot.GetHealthy(), HealthMessage: snapshot.GetHealthMessage(),
		Deliveries: snapshot.GetDeliveries(), Delivering: snapshot.GetDelivering(),
	}
	for _, condition := range snapshot.GetConditions() {
		state.Conditions = append(state.Conditions, Condition{
			Key: condition.GetKey(), Known: condition.GetKnown(), Met: condition.GetMet(), Text: condition.GetText(),
			TimedOut: condition.GetTimedOut(),
		})
	}

	return state
}

// Equal tells whether two states are the same in every field.
func (s State) Equal(other State) bool {
	return s.ID == other.ID && proto.Equal(s.Snapshot(), other.Snapshot())
}
