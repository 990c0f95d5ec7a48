package actors

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// How long calls that end a task may take, and the pause before waiting for an exit again after that failed.
const (
	endTimeout = 30 * time.Second
	waitPause  = time.Second
)

// Who gives the commands that no person gives.
var (
	daemon       = &events.Origin{Via: "daemon"}
	viaTimer     = &events.Origin{Via: "timer"}
	viaRuntime   = &events.Origin{Via: "runtime"}
	viaCondition = &events.Origin{Via: "condition"}
	viaHealth    = &events.Origin{Via: "health"}
)

// call is one call to the container runtime. Its outcome, where there is one, comes back as a command.
type call struct {
	run    func(ctx context.Context) events.Order
	start  bool   // part of a start, which a stop cancels
	cause  uint64 // record that asked for it
	ctx    context.Context
	cancel context.CancelFunc
}

// perform hands an effect to whoever carries it out. cause is the record that it follows from.
func (s *serviceActor) perform(effect service.Effect, cause uint64) {
	switch effect.(type) {
	case service.AwaitExit, service.SignalTask, service.KillTask, service.CancelStart:
		s.ending = cause
	}

	switch effect := effect.(type) {
	case service.WatchConditions:
		s.watch(effect.Keys)
	case service.ArmTimer:
		s.arm(timerFired{attempt: effect.Attempt, timer: effect.Timer, key: effect.Key, at: effect.At, cause: cause})
	case service.PrepareTask:
		s.enqueue(call{run: s.prepareCall(effect.Attempt), start: true, cause: cause})
	case service.StartTask:
		s.enqueue(call{run: s.startCall(effect.Attempt), start: true, cause: cause})
	case service.CancelStart:
		s.cancelStart()
	case service.AwaitExit:
		s.await(effect.Attempt)
	case service.SignalTask:
		s.enqueue(call{run: s.signalCall(effect.Attempt, effect.Signal)})
	case service.KillTask:
		s.kill(effect.Attempt)
	case service.UpdateConfig:
		s.enqueue(call{run: s.updateCall(effect), cause: cause})
	case service.MonitorHealth:
		s.monitor(effect.Attempt, cause)
	case service.DeleteTask:
		s.enqueue(call{run: s.deleteCall(deletion{attempt: effect.Attempt, cause: cause, pause: deletePause}), cause: cause})
	}
}

// watch asks root for reports about exactly these conditions.
func (s *serviceActor) watch(keys []string) {
	wanted := make(map[condition.Condition]bool, len(keys))

	for _, key := range keys {
		parsed, err := condition.ParseKey(key)
		if err != nil {
			s.world.logger.Error("cannot watch a condition", "service", s.state.ID, "error", err)

			continue
		}

		wanted[parsed] = true
		s.world.send(s.root, subscribe{id: s.state.ID, life: s.life, wanted: parsed})
	}

	byKey := func(a, b condition.Condition) int { return cmp.Compare(a.Key(), b.Key()) }
	for _, watched := range slices.SortedFunc(maps.Keys(s.watched), byKey) {
		if !wanted[watched] {
			s.world.send(s.root, unsubscribe{id: s.state.ID, life: s.life, unwanted: watched})
		}
	}

	s.watched = wanted
}

// arm sets the one timer of its kind and key; an earlier one is stale by now.
func (s *serviceActor) arm(timer timerFired) {
	slot := timerSlot{timer: timer.timer, key: timer.key}
	if stop := s.timers[slot]; stop != nil {
		stop()
	}

	wait := max(time.Duration(timer.at-s.world.clock.Now().GetBootNs()), 0)
	self := s.self
	s.timers[slot] = s.world.clock.AfterFunc(wait, func() { s.world.send(self, timer) })
}

// timerSlot is the place of one timer.
type timerSlot struct {
	timer events.Timer
	key   string
}

// fire passes a timer on once its moment has come by the boot clock, from which the timer's own clock may differ.
func (s *serviceActor) fire(fired timerFired) {
	if s.world.clock.Now().GetBootNs() < fired.at {
		s.arm(fired)

		return
	}

	s.take(take{
		order: &events.ElapseTimer{Attempt: fired.attempt, Timer: fired.timer, Key: fired.key}, origin: viaTimer, cause: fired.cause,
	})
}

// enqueue runs calls one after the other, in the order of the decisions that asked for them.
func (s *serviceActor) enqueue(next call) {
	next.ctx, next.cancel = context.WithCancel(s.world.ctx)

	s.calls = append(s.calls, next)
	if len(s.calls) == 1 {
		s.runFirst()
	}
}

func (s *serviceActor) runFirst() {
	self, first := s.self, s.calls[0]

	s.background(func() {
		var outcome events.Order

		defer func() {
			first.cancel()
			s.world.send(self, callDone{outcome: outcome, cause: first.cause})
		}()

		outcome = first.run(first.ctx)
	})
}

// background runs a call in a goroutine of its own. Where it panics the service is quarantined, as if its actor had.
func (s *serviceActor) background(run func()) {
	self := s.self

	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				s.world.logger.Error("internal error in a call to the container runtime", "error", fmt.Sprint(reason),
					"stack", string(debug.Stack()))
				s.world.send(self, callPanicked{reason: reason})
			}
		}()

		run()
	}()
}

func (s *serviceActor) finishCall(done callDone) {
	s.calls = s.calls[1:]
	if len(s.calls) > 0 {
		s.runFirst()
	}

	if done.outcome != nil {
		s.take(take{order: done.outcome, origin: viaRuntime, cause: done.cause})
	}

	s.report()
}

// cancelStart ends the calls of a start soon; each still reports its outcome.
func (s *serviceActor) cancelStart() {
	for _, call := range s.calls {
		if call.start {
			call.cancel()
		}
	}
}

func (s *serviceActor) request(attempt uint64) service.StartRequest {
	return service.StartRequest{
		ID: s.state.ID, Attempt: attempt, BootID: s.world.bootID, Hash: events.TaskHash(s.state.Lifecycle),
		Spec: s.file, Config: s.config,
	}
}

func (s *serviceActor) prepareCall(attempt uint64) func(context.Context) events.Order {
	request := s.request(attempt)

	return func(ctx context.Context) events.Order {
		if err := s.world.runtime.Prepare(ctx, request); err != nil {
			return &events.ReportStartFailed{Attempt: attempt, Problem: err.Error()}
		}

		return &events.ReportPrepared{Attempt: attempt}
	}
}

func (s *serviceActor) startCall(attempt uint64) func(context.Context) events.Order {
	request := s.request(attempt)

	return func(ctx context.Context) events.Order {
		started, err := s.world.runtime.Start(ctx, request)
		if err != nil {
			return &events.ReportStartFailed{Attempt: attempt, Problem: err.Error()}
		}

		return &events.ReportStarted{Attempt: attempt, Pid: started.PID, Container: started.Container, Rootfs: started.Rootfs}
	}
}

func (s *serviceActor) signalCall(attempt uint64, signal string) func(context.Context) events.Order {
	task := service.Task{ID: s.state.ID, Attempt: attempt}

	return func(ctx context.Context) events.Order {
		ctx, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()

		if err := s.world.runtime.Signal(ctx, task, signal); err != nil {
			s.world.logger.Warn("cannot signal the task", "service", task.ID, "signal", signal, "error", err)
		}

		return nil
	}
}

// updateCall gives the running task its configuration and then the signal to read it.
func (s *serviceActor) updateCall(update service.UpdateConfig) func(context.Context) events.Order {
	task, config := service.Task{ID: s.state.ID, Attempt: update.Attempt}, s.config

	return func(ctx context.Context) events.Order {
		err := s.world.runtime.UpdateConfig(ctx, task, config)
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, endTimeout)
			defer cancel()

			err = s.world.runtime.Signal(ctx, task, update.Signal)
		}

		if err != nil {
			return &events.ReportConfigRefused{Attempt: update.Attempt, Problem: err.Error()}
		}

		return &events.ReportConfigDelivered{Attempt: update.Attempt, Delivery: update.Delivery}
	}
}

// monitor has one goroutine check the health of the attempt's task, by the file as it is now.
func (s *serviceActor) monitor(attempt, cause uint64) {
	s.endMonitor()

	if s.file.Extactor.Health == nil {
		return
	}

	ctx, cancel := context.WithCancel(s.world.ctx)
	s.endMonitor = cancel

	self, task, health := s.self, service.Task{ID: s.state.ID, Attempt: attempt}, *s.file.Extactor.Health

	go s.world.prober.MonitorHealth(ctx, task, health, func(healthy bool, message string) {
		s.world.send(self, take{
			order: &events.ReportHealth{Attempt: attempt, Healthy: healthy, Message: message}, origin: viaHealth, cause: cause,
		})
	})
}

// kill does not queue: it must overtake whatever hangs.
func (s *serviceActor) kill(attempt uint64) {
	task := service.Task{ID: s.state.ID, Attempt: attempt}

	s.background(func() {
		ctx, cancel := context.WithTimeout(s.world.ctx, endTimeout)
		defer cancel()

		if err := s.world.runtime.Kill(ctx, task); err != nil {
			s.world.logger.Warn("cannot kill the task", "service", task.ID, "error", err)
		}
	})
}

// await has one goroutine wait for the exit of the attempt's task.
func (s *serviceActor) await(attempt uint64) {
	if s.awaiting == attempt {
		return
	}

	s.awaiting = attempt
	task := service.Task{ID: s.state.ID, Attempt: attempt}
	self := s.self

	s.background(func() {
		exit, err := s.world.runtime.Wait(s.world.ctx, task)
		if err != nil {
			s.world.send(self, waitBroken{attempt: attempt, problem: err})

			return
		}

		s.world.send(self, take{order: &events.ReportExited{Attempt: attempt, Exit: exit}, origin: viaRuntime})
	})
}

// breakWait: the connection was lost, or this one call failed. It is made again also while the link is down, because the
// runtime may see the end of a task nevertheless.
func (s *serviceActor) breakWait(broken waitBroken) {
	if s.awaiting == broken.attempt {
		s.awaiting = 0
	}

	self := s.self
	s.world.clock.AfterFunc(waitPause, func() { s.world.send(self, waitAgain{attempt: broken.attempt}) })
}

func (s *serviceActor) awaitAgain(attempt uint64) {
	if s.state.PID != 0 && s.state.Attempt == attempt {
		s.await(attempt)
	}
}
