package service

import (
	"fmt"
	"slices"
	"time"

	"github.com/extactor/extactor/events"
)

// Decide says which events follow from a command in a state. No event means that the command changes nothing; an error
// means that it is refused and nothing happened.
func Decide(state State, command *events.Command) ([]*events.Event, error) {
	if load := command.GetLoadSpec(); load != nil {
		return decideLoad(state, load, command.GetAt()), nil
	}

	if state.Lifecycle == nil {
		return nil, fmt.Errorf("cannot apply %s to service %q: its file is not loaded", command.KindName(), state.ID)
	}

	decision := decision{state: state, at: command.GetAt()}

	if asked := command.GetSignalService(); asked != nil {
		return decision.signal(asked.GetSignal())
	}

	switch kind := command.GetKind().(type) {
	case *events.Command_StartService:
		decision.start()
	case *events.Command_StopService:
		decision.stop()
	case *events.Command_RestartService:
		decision.restart()
	case *events.Command_ShutdownService:
		decision.shutdown(kind.ShutdownService.GetHurry())
	case *events.Command_ObserveCondition:
		decision.observe(kind.ObserveCondition)
	case *events.Command_ElapseTimer:
		decision.elapse(kind.ElapseTimer)
	case *events.Command_ReportPrepared:
		decision.prepared(kind.ReportPrepared)
	case *events.Command_ReportStarted:
		decision.started(kind.ReportStarted)
	case *events.Command_ReportStartFailed:
		decision.startFailed(kind.ReportStartFailed)
	case *events.Command_ReportExited:
		decision.exited(kind.ReportExited)
	case *events.Command_ChangeSpec:
		decision.change(kind.ChangeSpec.GetLifecycle())
	case *events.Command_RemoveService:
		decision.remove()
	case *events.Command_ReportHealth:
		decision.health(kind.ReportHealth)
	case *events.Command_ReportConfigDelivered:
		decision.configDelivered(kind.ReportConfigDelivered)
	case *events.Command_ReportConfigRefused:
		decision.configRefused(kind.ReportConfigRefused)
	case *events.Command_ReportOutputLost:
		decision.outputLost(kind.ReportOutputLost)
	case *events.Command_RecoverService:
		return Recover(state, kind.RecoverService.GetObserved(), command.GetAt()), nil
	default:
		return nil, fmt.Errorf("cannot apply a command of an unknown kind to service %q", state.ID)
	}

	return decision.events, nil
}

// decision collects the events of one command; each changes the state that the next one is decided in.
type decision struct {
	state  State
	at     *events.Instant
	events []*events.Event
}

func (d *decision) emit(facts ...events.Fact) {
	for _, fact := range facts {
		event := events.New(fact)
		d.events = append(d.events, event)
		d.state = Apply(d.state, event)
	}
}

func decideLoad(state State, load *events.LoadSpec, at *events.Instant) []*events.Event {
	d := decision{state: state, at: at}
	d.emit(&events.SpecLoaded{Lifecycle: load.GetLifecycle(), BootId: load.GetBootId()})

	begins := d.state.Name == events.StateInitialized || d.state.endedByDaemon() || d.corrected(state.Lifecycle)
	if begins && !d.state.DesiredStopped {
		d.begin()
	}

	return d.events
}

// begin enters Waiting anew and starts at once where nothing is awaited.
func (d *decision) begin() {
	d.emit(&events.AttemptBegan{Attempt: d.state.Attempt + 1, BootNs: d.at.GetBootNs()})
	d.advance()
}

// advance moves a waiting service on: to Preparing once every condition holds, else to saying what it waits for. It says
// nothing while a condition was not reported yet, because the list might not be true.
func (d *decision) advance() {
	switch {
	case d.state.Name != events.StateWaiting || d.state.BackingOff || !d.state.known():
	case d.state.met():
		d.emit(&events.PreparationStarted{Attempt: d.state.Attempt})
	default:
		if unmet := d.state.unmet(); !slices.Equal(unmet, d.state.Announced) {
			d.emit(&events.UnmetChanged{Unmet: unmet})
		}
	}
}

func (d *decision) desire(started bool) {
	if d.state.DesiredStopped == started {
		d.emit(&events.DesiredChanged{Started: started, WhileStopping: d.state.Name == events.StateStopping})
	}
}

func (d *decision) start() {
	stopping := d.state.Name == events.StateStopping
	d.desire(true)

	switch {
	case stopping || d.state.Name == events.StatePreparing || d.state.Name == events.StateRunning:
	case d.state.Name == events.StateWaiting && !d.state.BackingOff:
	default:
		d.begin()
	}
}

func (d *decision) stop() {
	d.desire(false)

	switch d.state.Name {
	case events.StateInitialized, events.StateWaiting:
		d.emit(&events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_PERSON})
	case events.StatePreparing, events.StateRunning:
		d.beginStop(events.StopReason_STOP_REASON_PERSON)
	}
}

func (d *decision) restart() {
	d.desire(true)

	switch d.state.Name {
	case events.StatePreparing, events.StateRunning:
		d.beginStop(events.StopReason_STOP_REASON_RESTART)
	case events.StateStopping:
		// It starts when stopped: desired is started.
	default:
		d.begin()
	}
}

// signal tells the task something; it leaves the service as it is. A kill would not: whoever wants the end asks for a stop.
func (d *decision) signal(name string) ([]*events.Event, error) {
	switch {
	case name == sigkill:
		return nil, fmt.Errorf("cannot send %s to service %q: stop or restart it", name, d.state.ID)
	case d.state.PID == 0:
		return nil, fmt.Errorf("cannot send %s to service %q: it is %s, and has no task", name, d.state.ID, d.state.Name)
	}

	d.emit(&events.SignalSent{Signal: name, Pid: d.state.PID})

	return d.events, nil
}

func (d *decision) shutdown(hurry bool) {
	switch d.state.Name {
	case events.StateInitialized, events.StateWaiting:
		d.emit(&events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_SHUTDOWN})
	case events.StatePreparing, events.StateRunning:
		d.beginStop(events.StopReason_STOP_REASON_SHUTDOWN)
	case events.StateStopping:
		if d.state.StartAfterStop {
			d.emit(&events.StopBegan{Reason: events.StopReason_STOP_REASON_SHUTDOWN, UntilBootNs: d.state.StopUntil})
		}
	}

	if hurry && d.state.Name == events.StateStopping {
		d.kill()
	}
}

// beginStop asks the task to end. While it is still being made there is nobody to signal: the start is cancelled.
func (d *decision) beginStop(reason events.StopReason) {
	d.emit(&events.StopBegan{Reason: reason, UntilBootNs: d.at.GetBootNs() + d.state.Lifecycle.GetStopTimeoutNs()})

	if d.state.PID != 0 {
		d.emit(&events.SignalSent{Signal: d.state.Lifecycle.GetStopSignal(), Pid: d.state.PID})
	}
}

// kill sends SIGKILL, and again for as long as the task does not end: it may hang in the kernel.
func (d *decision) kill() {
	again := max(time.Duration(d.state.Lifecycle.GetStopTimeoutNs()), killInterval)
	d.emit(&events.SignalSent{Signal: sigkill, Pid: d.state.PID, UntilBootNs: d.at.GetBootNs() + int64(again)})
}

func (d *decision) observe(seen *events.ObserveCondition) {
	index := slices.IndexFunc(d.state.Conditions, func(condition Condition) bool { return condition.Key == seen.GetKey() })
	if index < 0 {
		return
	}

	if known := d.state.Conditions[index]; known.Known && known.Met == seen.GetMet() && known.Text == seen.GetText() {
		return
	}

	d.emit(&events.ConditionChanged{Key: seen.GetKey(), Met: seen.GetMet(), Text: seen.GetText()})
	d.advance()
}

func (d *decision) elapse(elapsed *events.ElapseTimer) {
	if elapsed.GetAttempt() != d.state.Attempt {
		return
	}

	switch {
	case elapsed.GetTimer() == events.Timer_TIMER_BACKOFF && d.state.BackingOff:
		d.emit(&events.BackoffElapsed{Attempt: d.state.Attempt, BootNs: d.at.GetBootNs()})
		d.advance()
	case elapsed.GetTimer() == events.Timer_TIMER_STOP && d.state.Name == events.StateStopping && d.state.Live:
		if d.at.GetBootNs() >= d.state.StopUntil {
			d.kill()
		}
	case elapsed.GetTimer() == events.Timer_TIMER_DEPENDENCY && d.state.Name == events.StateWaiting && !d.state.BackingOff:
		d.timeOut(elapsed.GetKey())
	}
}
