package actors

import (
	"fmt"
	"reflect"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// serviceActor is one service: it carries commands through the machine, one at a time.
type serviceActor struct {
	recorder

	file   *spec.Service
	config *spec.Config // nil where there is none
	life   life
	orphan string // hash of its container where it has no file any more
	past   *past
	cause  uint64 // record that led to its being loaded
	root   *actor.PID
	self   *actor.PID
	state  service.State

	watched     map[condition.Condition]bool
	timers      map[timerSlot]func() bool
	endMonitor  func() // of the health check; never nil
	calls       []call // to the container runtime, in order; the first one is under way
	awaiting    uint64 // attempt whose exit a goroutine waits for, 0 for none
	ending      uint64 // record that had the task's exit awaited, or its end asked for
	reported    status
	quarantined bool
	abandoned   bool // quarantined, and its container deleted
	told        bool // it knows that the daemon goes down
	removed     bool // it knows that its file is gone
	stuck       *deletion
}

func newServiceActor(world *world, root *actor.PID, file *spec.Service, config *spec.Config, life life) *serviceActor {
	return &serviceActor{
		recorder: newRecorder(world, file.ID()), file: file, config: config, life: life, root: root, state: service.New(file.ID()),
		watched: make(map[condition.Condition]bool), timers: make(map[timerSlot]func() bool),
		endMonitor: func() {},
	}
}

// Receive quarantines the service where handling a message panics: it is left alone, whatever it does, and its siblings
// go on.
func (s *serviceActor) Receive(ctx actor.Context) {
	defer func() {
		if reason := recover(); reason != nil {
			s.quarantine(ctx.Message(), reason)
		}
	}()

	switch message := ctx.Message().(type) {
	case *actor.Started:
		s.self = ctx.Self()
		s.load()
	case *actor.Stopping:
		s.leave()
	case take:
		s.take(message)
	case callDone:
		s.finishCall(message)
	case callPanicked:
		s.quarantine(message, message.reason)
	case waitBroken:
		s.breakWait(message)
	case waitAgain:
		s.awaitAgain(message.attempt)
	case deleteBroken:
		s.breakDelete(message)
	case deleteAgain:
		s.deleteAgain(message)
	case timerFired:
		s.fire(message)
	case reshape:
		s.reshape(message)
	case reject:
		s.note(s.state.Name, message.cause, message.rejected)
	case cycle:
		s.note(s.state.Name, message.cause, &events.CycleFound{Path: message.path})
	case takeSnapshot:
		defer message.done() // the others must not wait for this one if it panics

		s.snapshot()
	}
}

// load begins this run of the daemon with the service's file.
func (s *serviceActor) load() {
	if s.past.known {
		s.state, s.view, s.last = s.past.state, s.past.view, s.past.last
	} else {
		s.replay()
	}

	lifecycle := service.Lifecycle(s.file, s.config, s.world.key)
	if s.orphan != "" {
		lifecycle = service.Orphan(s.state.Lifecycle, lifecycle, s.orphan)
	}

	s.take(take{order: &events.LoadSpec{Lifecycle: lifecycle, BootId: s.world.bootID}, origin: daemon, cause: s.cause})
}

// replay folds the service's history.
func (s *serviceActor) replay() {
	err := s.world.journal.Replay(s.state.ID, func(record events.Record) bool {
		if record.Event != nil {
			s.state = service.Apply(s.state, record.Event)
		}

		s.view = s.view.Apply(record)
		s.last = record.Seq

		return true
	})
	if err != nil {
		s.world.logger.Error("cannot read the whole history", "service", s.state.ID, "error", err)
	}
}

// reshape takes over a changed file or configuration. It is used from the next start on, also where it changes nothing
// for what runs.
func (s *serviceActor) reshape(message reshape) {
	checked := s.file.Extactor.Health
	s.file, s.config = message.file, message.config
	s.take(take{order: &events.ChangeSpec{Lifecycle: service.Lifecycle(s.file, s.config, s.world.key)}, origin: daemon, cause: message.cause})

	// How it is checked is no part of its lifecycle.
	if s.state.Name == events.StateRunning && !s.quarantined && !reflect.DeepEqual(checked, s.file.Extactor.Health) {
		s.monitor(s.state.Attempt, message.cause)
	}
}

// take carries a command through: decide, append, and only then follow.
func (s *serviceActor) take(message take) {
	switch message.order.(type) {
	case *events.ShutdownService:
		s.told = true
	case *events.RemoveService:
		s.removed = true
	case *events.RecoverService, *events.ReportStarted:
		s.stuck = nil // what was left was listed, or is gone: a start removes it
	case *events.ReportExited:
		message.cause = s.ending
	case *events.ReportPrepared, *events.ReportStartFailed:
		if s.state.Name == events.StateStopping {
			message.cause = s.ending // the start was cancelled
		}
	}

	if s.quarantined {
		s.takeQuarantined(message)

		return
	}

	step, err := service.Take(s.state, events.NewCommand(s.world.clock.Now(), message.origin, message.order), message.cause)
	if err == nil && len(step.Decision.Entries) > 0 {
		receipt := s.persist(step.Decision)
		s.state = step.State

		for i, effect := range step.Effects {
			s.perform(effect, receipt.Entry(step.Sources[i], len(step.Decision.Entries)))
		}

		if s.state.Name != events.StateRunning || !s.state.Lifecycle.GetHealthCheck() {
			s.endMonitor()
		}
	}

	if message.reply != nil {
		message.reply <- answer{seq: s.last, err: err}
	}

	s.report()
}

// report tells root when what others need to know of the service has changed.
func (s *serviceActor) report() {
	now := status{
		up: s.state.Up(), done: s.state.Completed(), ended: s.state.Ended() || s.abandoned, idle: len(s.calls) == 0,
		told: s.told, removed: s.removed, stuck: s.stuck, quarantined: s.quarantined,
	}
	if now == s.reported {
		return
	}

	s.reported = now
	s.world.send(s.root, serviceChanged{id: s.state.ID, life: s.life, status: now, seq: s.last})
}

func (s *serviceActor) snapshot() {
	if s.state.Lifecycle == nil {
		return
	}

	snapshot := s.state.Snapshot()
	s.view.Complete(snapshot)

	event := events.New(snapshot)
	s.persist(events.Decision{
		Service: s.state.ID, At: s.world.clock.Now(), Origin: daemon, Cause: s.last,
		Entries: []events.Entry{{Event: event, State: s.state.Name, Attempt: s.state.Attempt}},
	})
}

func (s *serviceActor) quarantine(message, reason any) {
	s.world.logger.Error("internal error, the service is quarantined", "service", s.state.ID,
		"message", fmt.Sprintf("%T", message), "error", fmt.Sprint(reason), "stack", string(debug.Stack()))

	// Whoever waits for an answer gets one; without room for it the answer was given before the panic.
	if asked, ok := message.(take); ok && asked.reply != nil {
		select {
		case asked.reply <- answer{err: fmt.Errorf("cannot handle service %q: internal error: %v", s.state.ID, reason)}:
		default:
		}
	}

	if s.quarantined {
		return
	}

	s.quarantined = true
	s.endMonitor() // nobody would follow what it says

	event := events.New(&events.ServiceQuarantined{Problem: fmt.Sprint(reason)})
	s.persist(events.Decision{
		Service: s.state.ID, At: s.world.clock.Now(), Origin: daemon, Cause: s.last,
		Entries: []events.Entry{{
			Event: event, State: s.state.Name, Attempt: s.state.Attempt, Message: events.Text(s.state.ID, event),
		}},
	})
	s.report()
}

// takeQuarantined lets a person stop, and the daemon shut down, what the machine can no longer be trusted with.
func (s *serviceActor) takeQuarantined(message take) {
	var err error

	switch message.order.(type) {
	case *events.StopService, *events.ShutdownService, *events.RemoveService:
		defer s.abandon() // also where to record it is what is broken

		if _, person := message.order.(*events.StopService); person {
			s.noteStop(message.origin)
		}
	default:
		err = fmt.Errorf("cannot handle service %q: it is quarantined after an internal error; only stop works until the daemon is restarted", s.state.ID)
	}

	if message.reply != nil {
		message.reply <- answer{seq: s.last, err: err}
	}
}

// abandon deletes the container of a service that is quarantined.
func (s *serviceActor) abandon() {
	s.abandoned = true
	s.cancelStart()
	s.enqueue(call{run: s.deleteCall(deletion{attempt: s.state.Attempt, pause: deletePause})})
	s.report()
}

// noteStop records that a person stopped what is quarantined, so that the next daemon does not start it again.
func (s *serviceActor) noteStop(origin *events.Origin) {
	if s.state.DesiredStopped {
		return
	}

	decision := events.Decision{Service: s.state.ID, At: s.world.clock.Now(), Origin: origin}

	for _, fact := range []events.Fact{
		&events.DesiredChanged{}, &events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_PERSON},
	} {
		event := events.New(fact)
		s.state = service.Apply(s.state, event)
		decision.Entries = append(decision.Entries, events.Entry{
			Event: event, State: s.state.Name, Attempt: s.state.Attempt, Message: events.Text(s.state.ID, event),
		})
	}

	s.persist(decision)
}
