package oci

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/service"
)

// Observe lists what containerd shows of this instance, by service id. An error means that nothing is known. The logs of
// the containers are held open from now on.
func (r *Runtime) Observe(ctx context.Context) (map[string]*service.Observed, error) {
	ctx = r.namespaced(ctx)

	ours, processes, err := r.list(ctx)
	if err != nil {
		return nil, err
	}

	// All at once, because each that has ended may wait for its log.
	found := make([]*service.Observed, len(ours))

	var group sync.WaitGroup

	for index, container := range ours {
		group.Go(func() {
			if err := r.holdListed(ctx, service.Task{ID: container.ID, Attempt: number(container, labelAttempt)}); err != nil {
				r.config.Logger.Warn().Err(err).Msg("log not held open")
			}

			found[index] = r.observed(ctx, container, processes[container.ID])
		})
	}

	group.Wait()

	seen := make(map[string]*service.Observed, len(ours))
	for index, container := range ours {
		seen[container.ID] = found[index]
	}

	return seen, nil
}

// list returns the containers of this instance, and every task by its id.
func (r *Runtime) list(ctx context.Context) ([]containers.Container, map[string]*tasktypes.Process, error) {
	ours, err := r.client.ContainerService().List(ctx, r.ourLabel())
	if err != nil {
		return nil, nil, fmt.Errorf("cannot list containers: %w", err)
	}

	response, err := r.client.TaskService().List(ctx, &tasks.ListTasksRequest{})
	if err := errgrpc.ToNative(err); err != nil {
		return nil, nil, fmt.Errorf("cannot list tasks: %w", err)
	}

	processes := make(map[string]*tasktypes.Process, len(response.Tasks))
	for _, process := range response.Tasks {
		processes[process.ID] = process
	}

	return ours, processes, nil
}

func (r *Runtime) observed(ctx context.Context, container containers.Container, process *tasktypes.Process) *service.Observed {
	r.known.add(&container)

	task := service.Task{ID: container.ID, Attempt: number(container, labelAttempt)}
	observed := &service.Observed{
		Attempt:   task.Attempt,
		SpecHash:  container.Labels[labelHash],
		BootId:    container.Labels[labelBoot],
		Container: container.ID,
	}

	switch {
	case process == nil:
		// A containerd that starts deletes a task which ended while it was down.
		observed.Status = events.TaskStatus_TASK_STATUS_NONE

		if r.wasStarted(task) {
			observed.Status = events.TaskStatus_TASK_STATUS_EXITED
			observed.Exit = r.rememberedExit(ctx, task, &container, true)
		}
	case process.Status == tasktypes.Status_CREATED:
		observed.Status = events.TaskStatus_TASK_STATUS_CREATED
		observed.Pid = process.Pid
	case process.Status == tasktypes.Status_STOPPED && r.unstarted(task):
		observed.Status = events.TaskStatus_TASK_STATUS_CREATED
		observed.Pid = process.Pid
	case process.Status == tasktypes.Status_STOPPED:
		observed.Status = events.TaskStatus_TASK_STATUS_EXITED
		observed.Exit = r.exit(ctx, task, &container, exits.Record{
			Status: process.ExitStatus,
			WallNS: process.ExitedAt.AsTime().UnixNano(),
		})
	case process.Status == tasktypes.Status_UNKNOWN:
		observed.Status = events.TaskStatus_TASK_STATUS_UNSPECIFIED
	default: // running, or paused by somebody else
		observed.Status = events.TaskStatus_TASK_STATUS_RUNNING
		observed.Pid = process.Pid
		observed.Started = processStarted(process.Pid)
		r.claimAgain(task, process.Pid)
	}

	return observed
}

// wasStarted tells of a task that is gone whether its program was executed. Where nobody wrote down how a task ended that
// was made, its shim was killed.
func (r *Runtime) wasStarted(task service.Task) bool {
	record, err := exits.Read(exits.Path(r.config.RunDir, task.ID, task.Attempt))
	if err == nil {
		return !record.Unstarted
	}

	made := r.claimed(task)

	return made != nil && made.PID != 0
}

// unstarted tells of a task that has ended that its program was never executed, as when its start was broken off.
func (r *Runtime) unstarted(task service.Task) bool {
	record, err := exits.Read(exits.Path(r.config.RunDir, task.ID, task.Attempt))

	return err == nil && record.Unstarted
}

// clockTicks is the unit of times in /proc, fixed by the kernel's interface: USER_HZ.
const clockTicks = 100

// processStarted returns when the process was started, nil where it is gone.
func processStarted(pid uint32) *events.Instant {
	ticks := startTicks(int(pid))
	if ticks == 0 {
		return nil
	}

	var boot unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	started := ticks * int64(time.Second/clockTicks)

	return &events.Instant{BootNs: started, WallNs: time.Now().UnixNano() - (boot.Nano() - started)}
}
