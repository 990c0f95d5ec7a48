package oci

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc/connectivity"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/service"
)

const (
	// exitGrace is how long after the end of its process the exit of a task may come, by the record of our shim, or by
	// containerd where it answers.
	exitGrace = 2 * time.Second
	exitPoll  = 50 * time.Millisecond

	// shimPatience is how long our shim may not notice that its task has ended, where containerd answers. It hangs then, and
	// would keep the service from ever being started again.
	shimPatience = 20 * time.Second
)

// Wait blocks until the task ended. An error means that the connection was lost or the context ended: never that the
// task ended. A task that is gone without a trace has ended in a way that is not known. The end is seen also while
// containerd does not answer.
func (r *Runtime) Wait(ctx context.Context, task service.Task) (*service.Exit, error) {
	ctx, cancel := context.WithCancel(r.namespaced(ctx))
	defer cancel()

	w := wait{runtime: r, task: task, record: r.claimed(task), told: make(chan told, 1)}

	// In a goroutine that has nothing else to do: calls grow the stack, and this one waits for as long as the task runs.
	go func() { w.told <- w.ask(ctx) }()

	exit, err := w.first(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot wait for %q: %w", task.ID, err)
	}

	return exit, nil
}

// wait is one call of Wait.
type wait struct {
	runtime *Runtime
	task    service.Task
	record  *processRecord // nil where there is none
	told    chan told
}

// told is containerd's answer.
type told struct {
	exit    *service.Exit
	problem error
}

// ask waits for containerd to tell the exit.
func (w *wait) ask(ctx context.Context) told {
	container, err := w.runtime.findTask(ctx, w.task)
	if err != nil {
		return told{problem: err}
	}

	if container == nil {
		return told{exit: w.runtime.rememberedExit(ctx, w.task, nil, true)}
	}

	w.runtime.known.add(container)

	response, err := w.runtime.client.TaskService().Wait(ctx, &tasks.WaitRequest{ContainerID: w.task.ID})
	if err := errgrpc.ToNative(err); err != nil {
		if ctx.Err() == nil && errdefs.IsNotFound(err) {
			return told{exit: w.runtime.rememberedExit(ctx, w.task, container, true)}
		}

		return told{problem: err}
	}

	exit, problem := w.runtime.collect(ctx, w.task, container, exits.Record{
		Status: response.ExitStatus,
		WallNS: response.ExitedAt.AsTime().UnixNano(),
	})

	return told{exit: exit, problem: problem}
}

// first returns what containerd tells or, where it does not answer, what is seen of the process itself.
func (w *wait) first(ctx context.Context) (*service.Exit, error) {
	ended := w.watch(ctx)

	select {
	case answer := <-w.told:
		if answer.problem == nil || ended == nil || !errdefs.IsUnavailable(answer.problem) {
			return answer.exit, answer.problem
		}

		select {
		case <-ended:
			return w.alone(ctx)
		case <-w.linked(ctx):
			return nil, answer.problem // containerd can be asked again
		}
	case <-ended:
		return w.late(ctx)
	}
}

// watch returns a channel that is closed when PID 1 of the task has ended; nil where it is not known.
func (w *wait) watch(ctx context.Context) <-chan struct{} {
	if w.record == nil || w.record.PID == 0 {
		return nil
	}

	process, err := w.record.open()
	if err != nil {
		return nil
	}

	ended := make(chan struct{})

	go func(process *os.File) {
		if process == nil || cgroup.Ended(ctx, process) == nil {
			close(ended)
		}
	}(process)

	return ended
}

// linked returns a channel that is closed when there is a connection again, or the context has ended.
func (w *wait) linked(ctx context.Context) <-chan struct{} {
	linked := make(chan struct{})

	go func() {
		defer close(linked)

		for state := w.runtime.conn.GetState(); state != connectivity.Ready; state = w.runtime.conn.GetState() {
			if !w.runtime.conn.WaitForStateChange(ctx, state) {
				return
			}
		}
	}()

	return linked
}

// late is what becomes of a task whose process has ended and of which containerd has not told yet. It is given its time
// for as long as it answers; where it hangs, what our shim wrote down counts.
func (w *wait) late(ctx context.Context) (*service.Exit, error) {
	grace := time.NewTimer(exitGrace)
	defer grace.Stop()

	select {
	case answer := <-w.told:
		if answer.problem == nil || !errdefs.IsUnavailable(answer.problem) {
			return answer.exit, answer.problem
		}

		return w.alone(ctx)
	case <-grace.C:
	}

	if w.recorded() {
		return w.runtime.rememberedExit(ctx, w.task, w.runtime.known.of(w.task), false), nil
	}

	answer, killed := w.outwait(ctx)
	if killed && answer.problem != nil && ctx.Err() == nil {
		return w.runtime.rememberedExit(ctx, w.task, w.runtime.known.of(w.task), true), nil
	}

	if answer.problem == nil || !errdefs.IsUnavailable(answer.problem) {
		return answer.exit, answer.problem
	}

	return w.alone(ctx)
}

// outwait waits for containerd's answer: one that hangs loses its connection some time, and a shim that hangs is killed.
func (w *wait) outwait(ctx context.Context) (answer told, killed bool) {
	hung := time.NewTimer(shimPatience)
	defer hung.Stop()

	select {
	case answer := <-w.told:
		return answer, false
	case <-hung.C:
	}

	if w.runtime.child == nil { // it is the shim of the host's containerd
		return <-w.told, false
	}

	w.runtime.config.Logger.Warn().Str("id", w.task.ID).Msg("the shim does not notice that its task has ended, and is killed")

	if err := w.runtime.endStrays(ctx, w.task.ID); err != nil {
		w.runtime.config.Logger.Warn().Err(err).Msg("a shim hangs")
	}

	return <-w.told, true
}

// alone is the exit of a task whose process has ended while there is no containerd: our shim writes it down. Of another
// shim's task it is known only to containerd, and waits for it, unless somebody wants the task to end.
func (w *wait) alone(ctx context.Context) (*service.Exit, error) {
	grace, cancel := context.WithTimeout(ctx, exitGrace)
	defer cancel()

	poll := time.NewTicker(exitPoll)
	defer poll.Stop()

	for !w.recorded() && grace.Err() == nil {
		select {
		case <-poll.C:
		case <-grace.Done():
		}
	}

	// The host's containerd knows what its shim does not write down. It is asked once it is back.
	if w.runtime.child == nil && !w.recorded() {
		select {
		case <-w.linked(ctx):
			return nil, errDisconnected
		case <-w.runtime.asked.of(w.task):
		}
	}

	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}

	return w.runtime.rememberedExit(ctx, w.task, w.runtime.known.of(w.task), false), nil
}

func (w *wait) recorded() bool {
	_, err := os.Stat(exits.Path(w.runtime.config.RunDir, w.task.ID, w.task.Attempt))

	return err == nil
}
