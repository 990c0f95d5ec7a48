package oci

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc/connectivity"

	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/service"
)

const (
	// backTimeout is how long a start waits for a containerd that died during it: longer than ours takes to come back.
	backTimeout = 20 * time.Second
	// mostRepeats is how often containerd may die during one start.
	mostRepeats = 5
)

// resume is what becomes of a start during which containerd died, once it is back: the task that was started after all,
// or nil where everything has to be made again, and nothing is left. Nobody is told of a failure: it is none of the
// service's.
func (r *Runtime) resume(ctx context.Context, request service.StartRequest) (*service.Started, error) {
	var problem error

	for range mostRepeats {
		if !r.awaitBack(ctx) {
			return nil, errors.Join(errDisconnected, problem)
		}

		var started *service.Started

		started, problem = r.resumeOnce(ctx, request)
		if !errdefs.IsUnavailable(problem) {
			return started, problem
		}
	}

	return nil, problem
}

// awaitBack waits for a connection, and tells whether there is one.
func (r *Runtime) awaitBack(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, backTimeout)
	defer cancel()

	for state := r.conn.GetState(); state != connectivity.Ready; state = r.conn.GetState() {
		r.conn.Connect()

		if !r.conn.WaitForStateChange(ctx, state) {
			return false
		}
	}

	return ctx.Err() == nil
}

func (r *Runtime) resumeOnce(ctx context.Context, request service.StartRequest) (*service.Started, error) {
	task := service.Task{ID: request.ID, Attempt: request.Attempt}

	container, err := r.findTask(ctx, task)
	if container == nil {
		return nil, err
	}

	pid, started, err := r.wasItStarted(ctx, task)
	if err != nil {
		return nil, err
	}

	if started {
		return &service.Started{PID: pid, Container: task.ID, Rootfs: container.Labels[labelRootfs]}, r.claim(task, pid)
	}

	return nil, r.clear(ctx, task, *container)
}

// wasItStarted tells of a task that may be there, and may have ended, whether its program was executed.
func (r *Runtime) wasItStarted(ctx context.Context, task service.Task) (pid uint32, started bool, err error) {
	response, err := r.client.TaskService().Get(ctx, &tasks.GetRequest{ContainerID: task.ID})

	switch err := errgrpc.ToNative(err); {
	case errdefs.IsNotFound(err):
		if record := r.claimed(task); record != nil {
			pid = uint32(record.PID)
		}

		return pid, r.wasStarted(task), nil
	case err != nil:
		return 0, false, err
	}

	process := response.Process

	switch process.Status {
	case tasktypes.Status_RUNNING, tasktypes.Status_PAUSED, tasktypes.Status_PAUSING:
		started = true
	case tasktypes.Status_STOPPED:
		started = !r.unstarted(task)
	}

	return process.Pid, started, nil
}

// clear removes what was made of a task that was not started, so that it can be made again.
func (r *Runtime) clear(ctx context.Context, task service.Task, container containers.Container) error {
	if err := r.clean(ctx, container); err != nil {
		return err
	}

	err := exits.Remove(r.config.RunDir, task.ID, func(attempt uint64) bool { return attempt == task.Attempt })

	return errors.Join(err, r.holdAgain(task))
}
