package actorstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// Call is one call of a runtime's method, as the fake remembers it.
type Call struct {
	Method  string // "Prepare", "Start", "Wait", "Signal", "Kill", "Delete", "Observe", "Exec", "UpdateConfig"
	ID      string // empty for Observe
	Attempt uint64
	Signal  string // of Signal
	At      time.Time
}

// FakeRuntime is a container runtime without containers. It uses only timers and channels, so that time in it is that
// of a testing/synctest bubble, and nothing in it is random: what happens follows from the calls and from its delays.
//
// The program of a service is read from its arguments, in the words of Harness.Service; without any it serves.
type FakeRuntime struct {
	delay func(Call) time.Duration
	now   func() *events.Instant

	mu         sync.Mutex
	connected  bool
	lost       chan struct{} // closed when the connection is lost
	found      chan struct{} // closed when the connection is established
	queues     map[string][]chan struct{}
	starting   map[service.Task]context.CancelCauseFunc
	tasks      map[string]*fakeTask
	failures   map[string][]error
	lifetimes  map[string]lifetime
	logs       map[string]string
	answers    map[string]func(service.ExecRequest) int
	calls      []Call
	violations []string
	unlisted   bool // the next listing fails
	exits      map[service.Task]*service.Exit
	sticky     map[string]bool // ids whose next deletion fails
	untold     map[string]bool // ids whose next deletion finds that output is lost
	nextPID    uint32
}

var _ actors.Runtime = (*FakeRuntime)(nil)

// errDisconnected is the answer to every call while the link is down.
var errDisconnected = errors.New("not connected to the runtime")

type fakeTask struct {
	request service.StartRequest
	pid     uint32
	started *events.Instant
	cursor  int           // length of the log when it was started
	ended   chan struct{} // closed when it has ended
	exit    *service.Exit // set when it has ended
	broken  chan struct{} // closed to interrupt whoever waits
	created bool          // it was never started
	stuck   bool          // it could not be deleted
	program program
}

// lifetime lets each task of an id end by itself.
type lifetime struct {
	after time.Duration
	code  int32
}

// NewFakeRuntime returns a runtime that is not connected. delay says how long a call takes; the tests' seed belongs in
// there, and two calls that are under way together should never end in the same nanosecond. A negative delay means that
// the call returns at once, for measurements. now is the clock of what it
// reports; nil means the time package's, with a boot at this moment.
func NewFakeRuntime(delay func(Call) time.Duration, now func() *events.Instant) *FakeRuntime {
	if now == nil {
		boot := time.Now()
		now = func() *events.Instant {
			return &events.Instant{WallNs: time.Now().UnixNano(), BootNs: int64(time.Since(boot))}
		}
	}

	return &FakeRuntime{
		delay:     delay,
		now:       now,
		lost:      make(chan struct{}),
		found:     make(chan struct{}),
		queues:    make(map[string][]chan struct{}),
		starting:  make(map[service.Task]context.CancelCauseFunc),
		tasks:     make(map[string]*fakeTask),
		failures:  make(map[string][]error),
		lifetimes: make(map[string]lifetime),
		logs:      make(map[string]string),
		answers:   make(map[string]func(service.ExecRequest) int),
		exits:     make(map[service.Task]*service.Exit),
		sticky:    make(map[string]bool),
		untold:    make(map[string]bool),
		nextPID:   1000,
	}
}

// Connect establishes the link.
func (f *FakeRuntime) Connect() {
	f.mu.Lock()
	defer f.mu.Unlock()

	if !f.connected {
		f.connected = true
		f.lost = make(chan struct{})
		close(f.found)
	}
}

// Disconnect loses the link: calls under way and to come fail. The tasks go on.
func (f *FakeRuntime) Disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.connected {
		f.connected = false
		f.found = make(chan struct{})
		close(f.lost)
	}
}

// FailStart lets the next starts of an id fail, each with one of the errors; nil lets one succeed.
func (f *FakeRuntime) FailStart(id string, failures ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.failures[id] = append(f.failures[id], failures...)
}

// EndAfter lets every task of an id that is started from now on end by itself: a crash loop. A duration of 0 lets them
// run again.
func (f *FakeRuntime) EndAfter(id string, after time.Duration, code int32) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.lifetimes[id] = lifetime{after: after, code: code}
}

// Exit ends the task of an id with a code, and tells whether there was one to end.
func (f *FakeRuntime) Exit(id string, code int32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	task := f.tasks[id]
	if task == nil || task.exit != nil || task.created {
		return false
	}

	f.end(task, code)

	return true
}

// exited returns how a task ended, nil where it did not or nobody can know.
func (f *FakeRuntime) exited(task service.Task) *service.Exit {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.exits[task]
}

// BreakWait interrupts whoever waits for the task of an id, though the link stays up, and tells whether there is one.
func (f *FakeRuntime) BreakWait(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	task := f.tasks[id]
	if task == nil || task.exit != nil || task.created {
		return false
	}

	close(task.broken)
	task.broken = make(chan struct{})

	return true
}

// FailDelete lets the next deletion for an id only kill: something of the container is busy.
func (f *FakeRuntime) FailDelete(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.sticky[id] = true
}

// LoseOutput kills the shim of the id after the exit was told and before all output was delivered: the next deletion finds
// that out.
func (f *FakeRuntime) LoseOutput(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.untold[id] = true
}

// Stuck returns the attempts of the containers that could not be deleted and are still there, by id.
func (f *FakeRuntime) Stuck() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()

	stuck := make(map[string]uint64)

	for id, task := range f.tasks {
		if task.stuck {
			stuck[id] = task.request.Attempt
		}
	}

	return stuck
}

// FailObserve lets the next listing of the tasks fail.
func (f *FakeRuntime) FailObserve() {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.unlisted = true
}

// Lose makes the runtime forget a container, as if somebody else had deleted it.
func (f *FakeRuntime) Lose(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if task := f.tasks[id]; task != nil {
		if task.exit == nil {
			task.exit = &service.Exit{At: f.now()}
			close(task.ended)
		}

		delete(f.tasks, id)
	}
}

// Running returns the attempts of the tasks that run, by id.
func (f *FakeRuntime) Running() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()

	running := make(map[string]uint64)

	for id, task := range f.tasks {
		if task.exit == nil && !task.created {
			running[id] = task.request.Attempt
		}
	}

	return running
}

// Tasks returns the attempts of all tasks that were not deleted, by id.
func (f *FakeRuntime) Tasks() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()

	tasks := make(map[string]uint64)
	for id, task := range f.tasks {
		tasks[id] = task.request.Attempt
	}

	return tasks
}

// Request returns what the task of an id was made from, with the configuration that it has by now.
func (f *FakeRuntime) Request(id string) (request service.StartRequest, there bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if task := f.tasks[id]; task != nil {
		return task.request, true
	}

	return service.StartRequest{}, false
}

// Calls returns every call since the beginning, in order.
func (f *FakeRuntime) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()

	return slices.Clone(f.calls)
}

// Violations returns what callers did that no caller may do, such as to start a service that runs.
func (f *FakeRuntime) Violations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return slices.Clone(f.violations)
}

// end must be called with the lock held.
func (f *FakeRuntime) end(task *fakeTask, code int32) {
	exit := &service.Exit{Known: true, Code: code, At: f.now()}
	if code > 128 && code <= 128+64 {
		exit.Signal = code - 128
	}

	log := f.logs[task.request.ID]
	exit.LogCursor = uint64(len(log))
	exit.LastLines = log[task.cursor:]
	task.exit = exit
	f.exits[service.Task{ID: task.request.ID, Attempt: task.request.Attempt}] = exit

	close(task.ended)
}

// begin remembers the call, waits for its turn among the calls for its id, and lets its time pass.
func (f *FakeRuntime) begin(ctx context.Context, call Call) (leave func(), err error) {
	f.mu.Lock()
	call.At = time.Now()
	f.calls = append(f.calls, call)
	turn := make(chan struct{})
	f.queues[call.ID] = append(f.queues[call.ID], turn)

	if f.queues[call.ID][0] == turn {
		close(turn)
	}

	f.mu.Unlock()

	leave = func() { f.leave(call.ID, turn) }

	select {
	case <-turn:
		err = f.pass(ctx, call)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}

	if err != nil {
		leave()

		return nil, fmt.Errorf("cannot %s %q: %w", call.Method, call.ID, err)
	}

	return leave, nil
}

func (f *FakeRuntime) leave(id string, turn chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()

	queue := f.queues[id]
	first := queue[0] == turn
	queue = slices.DeleteFunc(queue, func(other chan struct{}) bool { return other == turn })
	f.queues[id] = queue

	if len(queue) == 0 {
		delete(f.queues, id)
	} else if first {
		close(queue[0])
	}
}

// pass lets the call's time pass; it fails when the link is down, then or meanwhile.
func (f *FakeRuntime) pass(ctx context.Context, call Call) error {
	f.mu.Lock()
	connected, lost := f.connected, f.lost
	f.mu.Unlock()

	wait := f.delay(call)
	if wait < 0 && connected {
		return context.Cause(ctx)
	}

	timer := time.NewTimer(max(1, wait))
	defer timer.Stop()

	if !connected {
		lost = nil // the answer takes its time too
	}

	select {
	case <-timer.C:
	case <-lost:
		return errDisconnected
	case <-ctx.Done():
		return context.Cause(ctx)
	}

	f.mu.Lock()
	defer f.mu.Unlock()

	if !connected || !f.connected {
		return errDisconnected
	}

	return nil
}

// Link calls up and down as Connect and Disconnect say.
func (f *FakeRuntime) Link(ctx context.Context, up func(address, version string), down func(problem error)) {
	for {
		f.mu.Lock()
		found := f.found
		f.mu.Unlock()

		select {
		case <-found:
		case <-ctx.Done():
			return
		}

		f.mu.Lock()
		lost := f.lost
		f.mu.Unlock()

		up("fake", "1.0")

		select {
		case <-lost:
		case <-ctx.Done():
			return
		}

		down(errDisconnected)
	}
}

// Observe lists the tasks.
func (f *FakeRuntime) Observe(ctx context.Context) (map[string]*service.Observed, error) {
	if err := f.observe(ctx); err != nil {
		return nil, err
	}

	f.mu.Lock()
	defer f.mu.Unlock()

	seen := make(map[string]*service.Observed, len(f.tasks))

	for id, task := range f.tasks {
		observed := &service.Observed{
			Status:    events.TaskStatus_TASK_STATUS_RUNNING,
			Attempt:   task.request.Attempt,
			SpecHash:  task.request.Hash,
			BootId:    task.request.BootID,
			Container: id,
			Pid:       task.pid,
			Started:   task.started,
		}

		if task.created {
			observed.Status, observed.Pid, observed.Started = events.TaskStatus_TASK_STATUS_CREATED, 0, nil
		}

		if task.exit != nil {
			observed.Status = events.TaskStatus_TASK_STATUS_EXITED
			observed.Pid, observed.Started = 0, nil
			observed.Exit = task.exit
		}

		seen[id] = observed
	}

	return seen, nil
}

func (f *FakeRuntime) observe(ctx context.Context) error {
	call := Call{Method: "Observe", At: time.Now()}

	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()

	if err := f.pass(ctx, call); err != nil {
		return fmt.Errorf("cannot Observe: %w", err)
	}

	f.mu.Lock()
	defer f.mu.Unlock()

	if f.unlisted {
		f.unlisted = false

		return errors.New("cannot Observe: too many open files")
	}

	return nil
}
