package actorstest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/service"
)

// program is what a fake task does, read from the arguments of its service.
type program struct {
	output   string
	ends     bool // by itself, at once
	code     int32
	stubborn bool
}

func parseProgram(words []string) program {
	var parsed program

	for len(words) > 0 {
		switch word := words[0]; {
		case word == "print" && len(words) > 1:
			parsed.output += words[1] + "\n"
			words = words[1:]
		case word == "exit" && len(words) > 1:
			code, _ := strconv.ParseInt(words[1], 10, 32)
			parsed.ends, parsed.code = true, int32(code)
			words = words[1:]
		case word == "stubborn":
			parsed.stubborn = true
		}

		words = words[1:]
	}

	return parsed
}

// Prepare deletes what an earlier attempt left.
func (f *FakeRuntime) Prepare(ctx context.Context, request service.StartRequest) error {
	ctx, done := f.interruptible(ctx, request)
	defer done()

	leave, err := f.begin(ctx, Call{Method: "Prepare", ID: request.ID, Attempt: request.Attempt})
	if err != nil {
		return err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	left := f.tasks[request.ID]
	if left == nil {
		return nil
	}

	if left.request.Attempt > request.Attempt {
		return fmt.Errorf("cannot prepare %q: a container of the later attempt %d exists", request.ID, left.request.Attempt)
	}

	f.remove(left)

	return nil
}

// Start starts the task, or fails as FailStart says.
func (f *FakeRuntime) Start(ctx context.Context, request service.StartRequest) (actors.Started, error) {
	ctx, done := f.interruptible(ctx, request)
	defer done()

	leave, err := f.begin(ctx, Call{Method: "Start", ID: request.ID, Attempt: request.Attempt})
	if err != nil {
		return actors.Started{}, err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	if other := f.tasks[request.ID]; other != nil {
		err := fmt.Errorf("cannot start %q attempt %d: a container of attempt %d exists", request.ID, request.Attempt,
			other.request.Attempt)
		f.violations = append(f.violations, err.Error())

		return actors.Started{}, err
	}

	if failures := f.failures[request.ID]; len(failures) > 0 {
		f.failures[request.ID] = failures[1:]

		if failures[0] != nil {
			return actors.Started{}, fmt.Errorf("cannot start %q: %w", request.ID, failures[0])
		}
	}

	return f.launch(request), nil
}

// leaveCreated lets a container exist that was made for a start and never started.
func (f *FakeRuntime) leaveCreated(request service.StartRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.tasks[request.ID] == nil {
		f.tasks[request.ID] = &fakeTask{request: request, created: true, ended: make(chan struct{})}
	}
}

// reachable tells whether the link is up.
func (f *FakeRuntime) reachable() bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.connected
}

// launch must be called with the lock held.
func (f *FakeRuntime) launch(request service.StartRequest) actors.Started {
	f.nextPID++

	task := &fakeTask{
		request: request,
		pid:     f.nextPID,
		started: f.now(),
		cursor:  len(f.logs[request.ID]),
		ended:   make(chan struct{}),
		broken:  make(chan struct{}),
	}

	if request.Spec != nil {
		task.program = parseProgram(request.Spec.Container.Args)
	}

	f.tasks[request.ID] = task
	f.logs[request.ID] += task.program.output

	if task.program.ends {
		f.end(task, task.program.code)
	} else if life := f.lifetimes[request.ID]; life.after > 0 {
		time.AfterFunc(life.after, func() {
			f.mu.Lock()
			defer f.mu.Unlock()

			if task.exit == nil {
				f.end(task, life.code)
			}
		})
	}

	return actors.Started{PID: task.pid, Container: request.ID}
}

// interruptible returns a context that Kill of the same task ends.
func (f *FakeRuntime) interruptible(ctx context.Context, request service.StartRequest) (context.Context, func()) {
	task := service.Task{ID: request.ID, Attempt: request.Attempt}
	ctx, cancel := context.WithCancelCause(ctx)

	f.mu.Lock()
	f.starting[task] = cancel
	f.mu.Unlock()

	return ctx, func() {
		f.mu.Lock()
		delete(f.starting, task)
		f.mu.Unlock()

		cancel(nil)
	}
}

// remove must be called with the lock held.
func (f *FakeRuntime) remove(task *fakeTask) {
	if task.exit == nil {
		f.end(task, 137)
	}

	delete(f.tasks, task.request.ID)
}

// find must be called with the lock held. It returns the task of exactly this attempt.
func (f *FakeRuntime) find(task service.Task) *fakeTask {
	if found := f.tasks[task.ID]; found != nil && found.request.Attempt == task.Attempt {
		return found
	}

	return nil
}

// Wait blocks until the task has ended.
func (f *FakeRuntime) Wait(ctx context.Context, task service.Task) (*service.Exit, error) {
	call := Call{Method: "Wait", ID: task.ID, Attempt: task.Attempt, At: time.Now()}
	fail := func(err error) (*service.Exit, error) {
		return nil, fmt.Errorf("cannot wait for %q: %w", task.ID, err)
	}

	f.mu.Lock()
	f.calls = append(f.calls, call)
	found, connected, lost := f.find(task), f.connected, f.lost
	f.mu.Unlock()

	if connected && found != nil {
		select {
		case <-found.ended:
		case <-found.broken:
			return fail(errors.New("the call was interrupted"))
		case <-lost:
			return fail(errDisconnected)
		case <-ctx.Done():
			return fail(context.Cause(ctx))
		}
	}

	// The answer takes its time, and is not given where the link is lost by then.
	if err := f.pass(ctx, call); err != nil {
		return fail(err)
	}

	if found == nil {
		return &service.Exit{At: f.now()}, nil
	}

	f.mu.Lock()
	defer f.mu.Unlock()

	return found.exit, nil
}

// Signal ends the task with code 0 at SIGTERM, unless it is stubborn; other signals end it as they end a program
// that does not handle them, or do nothing.
func (f *FakeRuntime) Signal(ctx context.Context, task service.Task, signal string) error {
	leave, err := f.begin(ctx, Call{Method: "Signal", ID: task.ID, Attempt: task.Attempt, Signal: signal})
	if err != nil {
		return err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	found := f.find(task)
	if found == nil || found.exit != nil {
		return nil
	}

	switch {
	case signal == "SIGKILL":
		f.end(found, 137)
	case signal == "SIGTERM" && !found.program.stubborn:
		f.end(found, 0)
	}

	return nil
}

// Kill ends the task with code 137. A Prepare or Start of it that is under way is interrupted.
func (f *FakeRuntime) Kill(ctx context.Context, task service.Task) error {
	f.mu.Lock()
	if interrupt := f.starting[task]; interrupt != nil {
		interrupt(fmt.Errorf("%q was killed while it was being started", task.ID))
	}
	f.mu.Unlock()

	leave, err := f.begin(ctx, Call{Method: "Kill", ID: task.ID, Attempt: task.Attempt})
	if err != nil {
		return err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	if found := f.find(task); found != nil && found.exit == nil {
		f.end(found, 137)
	}

	return nil
}

// Delete kills the task and forgets it.
func (f *FakeRuntime) Delete(ctx context.Context, task service.Task) error {
	leave, err := f.begin(ctx, Call{Method: "Delete", ID: task.ID, Attempt: task.Attempt})
	if err != nil {
		return err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	found := f.find(task)
	if found == nil {
		return nil
	}

	if f.sticky[task.ID] {
		delete(f.sticky, task.ID)

		if found.exit == nil {
			f.end(found, 137)
		}

		found.stuck, found.created = true, false

		return fmt.Errorf("cannot delete %q: device or resource busy", task.ID)
	}

	f.remove(found)

	if f.untold[task.ID] {
		delete(f.untold, task.ID)

		return service.ErrOutputLost
	}

	return nil
}
