package actorstest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// Harness is a runtime under test with what the suite needs around it.
type Harness interface {
	// Runtime returns the connected runtime.
	Runtime() actors.Runtime
	// Reopen replaces the runtime by a new one that sees the same containers, as after a restart of the daemon.
	Reopen() actors.Runtime
	// Service returns a service whose program does what the words say, one after the other:
	//
	//	print TEXT   print a line
	//	exit CODE    end
	//	serve        run until SIGTERM, then end with code 0
	//	stubborn     run, ignoring SIGTERM
	Service(name string, words ...string) *spec.Service
	// Broken returns a service that can be prepared but not started, and a part of the error.
	Broken(name string) (broken *spec.Service, problem string)
}

// suiteTimeout ends a test that hangs; nothing is expected to take as long.
const suiteTimeout = time.Minute

// RuntimeSuite checks what actors.Runtime promises. newHarness is called once for each test.
func RuntimeSuite(t *testing.T, newHarness func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"exit code is reported", (*suite).exitCode},
		{"stop by SIGTERM", (*suite).stopBySignal},
		{"SIGTERM ignored, then killed", (*suite).killed},
		{"signal, kill and delete of what is gone are no errors", (*suite).goneIsNoError},
		{"another attempt is left alone", (*suite).otherAttempt},
		{"observe shows running, exited and none", (*suite).observe},
		{"a new client sees the same task and its exit", (*suite).adopt},
		{"an exit while no client looked is found", (*suite).exitBetweenClients},
		{"start of what cannot be started", (*suite).broken},
		{"prepare deletes an earlier attempt", (*suite).prepareReplaces},
		{"a late delete of an earlier attempt leaves what is prepared", (*suite).lateDelete},
		{"wait ends with its context", (*suite).waitCancelled},
		{"last lines and cursor", (*suite).lastLines},
		{"a command runs beside the task", (*suite).exec},
		{"configuration is updated, or a restart is needed", (*suite).updateConfig},
		{"link tells that it is up", (*suite).link},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
			defer cancel()

			harness := newHarness(t)
			test.run(&suite{T: t, ctx: ctx, Harness: harness, runtime: harness.Runtime()})
		})
	}
}

type suite struct {
	*testing.T
	Harness
	ctx     context.Context
	runtime actors.Runtime
}

func (s *suite) request(attempt uint64, program *spec.Service) service.StartRequest {
	return service.StartRequest{ID: program.ID(), Attempt: attempt, BootID: "boot", Hash: "v1:hash", Spec: program}
}

func (s *suite) start(attempt uint64, program *spec.Service) (service.Task, actors.Started) {
	s.Helper()

	request := s.request(attempt, program)
	s.must(s.runtime.Prepare(s.ctx, request))

	started, err := s.runtime.Start(s.ctx, request)
	s.must(err)

	if started.PID == 0 || started.Container != request.ID {
		s.Fatalf("started %+v", started)
	}

	return service.Task{ID: request.ID, Attempt: attempt}, started
}

func (s *suite) wait(task service.Task) *service.Exit {
	s.Helper()

	exit, err := s.runtime.Wait(s.ctx, task)
	s.must(err)

	return exit
}

func (s *suite) status(id string) events.TaskStatus {
	s.Helper()

	seen, err := s.runtime.Observe(s.ctx)
	s.must(err)

	if seen[id] == nil {
		return events.TaskStatus_TASK_STATUS_NONE
	}

	return seen[id].Status
}

func (s *suite) must(err error) {
	s.Helper()

	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) wantExit(exit *service.Exit, code, signal int32) {
	s.Helper()

	if !exit.GetKnown() || exit.GetCode() != code || exit.GetSignal() != signal || exit.GetOom() {
		s.Fatalf("exit is %v, want code %d and signal %d", exit, code, signal)
	}

	if exit.GetAt().GetWallNs() == 0 {
		s.Fatalf("exit %v has no time", exit)
	}
}

// lateDelete is what a listing from before the start leads to.
func (s *suite) lateDelete() {
	program := s.Service("prepared", "serve")
	request := s.request(2, program)

	s.must(s.runtime.Prepare(s.ctx, request))
	s.must(s.runtime.Delete(s.ctx, service.Task{ID: program.ID(), Attempt: 1}))

	_, err := s.runtime.Start(s.ctx, request)
	s.must(err)
}

func (s *suite) exitCode() {
	for attempt, code := range []int32{0, 3} {
		task, _ := s.start(uint64(attempt)+1, s.Service("codes", "exit", strconv.Itoa(int(code))))
		s.wantExit(s.wait(task), code, 0)
		s.wantExit(s.wait(task), code, 0) // it can be asked again until it is deleted
		s.must(s.runtime.Delete(s.ctx, task))
	}
}

func (s *suite) stopBySignal() {
	task, _ := s.start(1, s.Service("polite", "print", "ready", "serve"))
	s.awaitOutput(task.ID, "ready")
	s.must(s.runtime.Signal(s.ctx, task, "SIGTERM"))
	s.wantExit(s.wait(task), 0, 0)
	s.must(s.runtime.Delete(s.ctx, task))
}

func (s *suite) killed() {
	task, _ := s.start(1, s.Service("stubborn", "print", "ready", "stubborn"))
	s.awaitOutput(task.ID, "ready")
	s.must(s.runtime.Signal(s.ctx, task, "SIGTERM"))

	if status := s.status(task.ID); status != events.TaskStatus_TASK_STATUS_RUNNING {
		s.Fatalf("after an ignored SIGTERM it is %v", status)
	}

	s.must(s.runtime.Kill(s.ctx, task))
	s.wantExit(s.wait(task), 137, 9)
	s.must(s.runtime.Kill(s.ctx, task))
	s.must(s.runtime.Signal(s.ctx, task, "SIGTERM"))
	s.must(s.runtime.Delete(s.ctx, task))
}

// awaitOutput waits until the program has printed the line, where the harness can tell.
func (s *suite) awaitOutput(id, line string) {
	s.Helper()

	if watcher, ok := s.Harness.(interface {
		AwaitOutput(ctx context.Context, id, line string) error
	}); ok {
		s.must(watcher.AwaitOutput(s.ctx, id, line))
	}
}

func (s *suite) goneIsNoError() {
	task := service.Task{ID: "ext-never-there", Attempt: 7}
	s.must(s.runtime.Signal(s.ctx, task, "SIGTERM"))
	s.must(s.runtime.Kill(s.ctx, task))
	s.must(s.runtime.Delete(s.ctx, task))

	if exit := s.wait(task); exit.GetKnown() {
		s.Fatalf("exit of a task that never was is %v", exit)
	}
}

func (s *suite) otherAttempt() {
	task, _ := s.start(2, s.Service("second", "serve"))

	for _, attempt := range []uint64{1, 3} {
		other := service.Task{ID: task.ID, Attempt: attempt}
		s.must(s.runtime.Signal(s.ctx, other, "SIGTERM"))
		s.must(s.runtime.Kill(s.ctx, other))
		s.must(s.runtime.Delete(s.ctx, other))
	}

	if status := s.status(task.ID); status != events.TaskStatus_TASK_STATUS_RUNNING {
		s.Fatalf("it is %v after others were stopped", status)
	}

	if err := s.runtime.Prepare(s.ctx, s.request(1, s.Service("second", "serve"))); err == nil {
		s.Fatal("an earlier attempt could replace a later one")
	}

	s.must(s.runtime.Delete(s.ctx, task)) // kills what runs

	if status := s.status(task.ID); status != events.TaskStatus_TASK_STATUS_NONE {
		s.Fatalf("it is %v after it was deleted", status)
	}
}

func (s *suite) observe() {
	running, started := s.start(4, s.Service("running", "serve"))
	exited, _ := s.start(5, s.Service("exited", "exit", "9"))
	s.wait(exited)

	seen, err := s.runtime.Observe(s.ctx)
	s.must(err)

	if len(seen) != 2 {
		s.Fatalf("seen: %v", seen)
	}

	one := seen[running.ID]
	if one.Status != events.TaskStatus_TASK_STATUS_RUNNING || one.Pid != started.PID || one.Attempt != 4 ||
		one.SpecHash != "v1:hash" || one.BootId != "boot" || one.Container != running.ID || one.Started == nil {
		s.Errorf("running: %v", one)
	}

	other := seen[exited.ID]
	if other.Status != events.TaskStatus_TASK_STATUS_EXITED || other.Attempt != 5 {
		s.Errorf("exited: %v", other)
	}

	s.wantExit(other.Exit, 9, 0)
	s.must(s.runtime.Delete(s.ctx, running))
	s.must(s.runtime.Delete(s.ctx, exited))

	seen, err = s.runtime.Observe(s.ctx)
	if err != nil || len(seen) != 0 {
		s.Errorf("after all was deleted: %v, %v", seen, err)
	}
}

func (s *suite) adopt() {
	task, started := s.start(1, s.Service("adopted", "print", "ready", "serve"))
	s.awaitOutput(task.ID, "ready")
	s.runtime = s.Reopen()

	seen, err := s.runtime.Observe(s.ctx)
	s.must(err)

	if one := seen[task.ID]; one == nil || one.Pid != started.PID || one.Status != events.TaskStatus_TASK_STATUS_RUNNING {
		s.Fatalf("adopted: %v, was started with PID %d", one, started.PID)
	}

	s.must(s.runtime.Signal(s.ctx, task, "SIGTERM"))
	s.wantExit(s.wait(task), 0, 0)
	s.must(s.runtime.Delete(s.ctx, task))
}

func (s *suite) exitBetweenClients() {
	task, _ := s.start(1, s.Service("between", "exit", "6"))
	s.wait(task)
	s.runtime = s.Reopen()
	s.wantExit(s.wait(task), 6, 0)
	s.must(s.runtime.Delete(s.ctx, task))
}

func (s *suite) broken() {
	program, want := s.Broken("broken")
	request := s.request(1, program)
	s.must(s.runtime.Prepare(s.ctx, request))

	_, err := s.runtime.Start(s.ctx, request)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), request.ID) {
		s.Fatalf("error is %v, want it to name %q and say %q", err, request.ID, want)
	}

	if status := s.status(request.ID); status != events.TaskStatus_TASK_STATUS_NONE {
		s.Fatalf("after a failed start it is %v", status)
	}

	// The next attempt is not hindered by what the failed one left.
	task, _ := s.start(2, s.Service("broken", "exit", "0"))
	s.wantExit(s.wait(task), 0, 0)
	s.must(s.runtime.Delete(s.ctx, task))
}

func (s *suite) prepareReplaces() {
	first, _ := s.start(1, s.Service("replaced", "stubborn"))
	second, _ := s.start(2, s.Service("replaced", "serve"))

	s.must(s.runtime.Kill(s.ctx, first)) // stale: must not hit the second

	if status := s.status(second.ID); status != events.TaskStatus_TASK_STATUS_RUNNING {
		s.Fatalf("the second attempt is %v", status)
	}

	s.must(s.runtime.Delete(s.ctx, second))
}

func (s *suite) waitCancelled() {
	task, _ := s.start(1, s.Service("endless", "serve"))

	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan error, 1)

	go func() {
		_, err := s.runtime.Wait(ctx, task)
		ended <- err
	}()

	// A Wait under way must not keep other calls for the same task waiting.
	s.must(s.runtime.Signal(s.ctx, task, "SIGCONT"))
	cancel()

	if err := <-ended; err == nil || errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
		s.Fatalf("Wait returned %v when its context ended", err)
	}

	s.must(s.runtime.Delete(s.ctx, task))
}

func (s *suite) lastLines() {
	first, _ := s.start(1, s.Service("talker", "print", "one", "print", "two", "exit", "1"))
	exit := s.wait(first)

	if exit.LastLines != "one\ntwo\n" || exit.LogCursor != 8 {
		s.Errorf("last lines %q, cursor %d", exit.LastLines, exit.LogCursor)
	}

	s.must(s.runtime.Delete(s.ctx, first))

	// The lines of an earlier attempt are not those of the next.
	second, _ := s.start(2, s.Service("talker", "print", "three", "exit", "1"))
	exit = s.wait(second)

	if exit.LastLines != "three\n" || exit.LogCursor != 14 {
		s.Errorf("last lines %q, cursor %d", exit.LastLines, exit.LogCursor)
	}

	s.must(s.runtime.Delete(s.ctx, second))
}

func (s *suite) link() {
	ctx, cancel := context.WithCancel(s.ctx)
	addresses := make(chan string, 1)
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		s.runtime.Link(ctx, func(address, _ string) { addresses <- address }, func(error) {})
	}()

	select {
	case address := <-addresses:
		if address == "" {
			s.Error("the link has no address")
		}
	case <-s.ctx.Done():
		s.Error("the link is not up")
	}

	cancel()
	<-ended
}
