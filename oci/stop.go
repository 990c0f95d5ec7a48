package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/moby/sys/signal"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/service"
)

// Signal sends the signal ("SIGTERM") to PID 1 of the task; a task that has ended is no error. It works also while
// containerd does not answer.
func (r *Runtime) Signal(ctx context.Context, task service.Task, name string) error {
	number, err := signal.ParseSignal(name)
	if err != nil {
		return fmt.Errorf("cannot signal %q: %w", task.ID, err)
	}

	ctx, leave, err := r.calls.enter(r.namespaced(ctx), task, patient)
	if err != nil {
		return fmt.Errorf("cannot signal %q: %w", task.ID, err)
	}
	defer leave()

	r.wantEnd(task)

	if record := r.claimed(task); record != nil {
		err = record.signal(number)
	} else {
		err = r.signalFound(ctx, task, uint32(number))
	}

	if err != nil {
		return fmt.Errorf("cannot signal %q: %w", task.ID, err)
	}

	return nil
}

// wantEnd has nobody wait for a containerd that is away to tell how the task ended.
func (r *Runtime) wantEnd(task service.Task) {
	if !r.Connected() {
		r.asked.add(task)
	}
}

// signalFound is for a task that no record names.
func (r *Runtime) signalFound(ctx context.Context, task service.Task, number uint32) error {
	container, err := r.findTask(ctx, task)
	if err != nil || container == nil {
		return err
	}

	return r.signal(ctx, task.ID, number, false)
}

// Kill sends SIGKILL to every process of the task's cgroup and returns when they have ended; a task that has ended is
// no error. A Prepare or Start of the same task that is under way is interrupted. It works also while containerd does not
// answer, or the task's shim.
func (r *Runtime) Kill(ctx context.Context, task service.Task) error {
	ctx, leave, err := r.calls.enter(r.namespaced(ctx), task, interrupting)
	if err != nil {
		return fmt.Errorf("cannot kill %q: %w", task.ID, err)
	}
	defer leave()

	r.wantEnd(task)

	if record := r.claimed(task); record != nil {
		err = r.killClaimed(ctx, task, record)
	} else {
		err = r.killFound(ctx, task)
	}

	if err != nil {
		return fmt.Errorf("cannot kill %q: %w", task.ID, err)
	}

	return nil
}

// killFound is for a task that no record names. The shim may be stuck or dead: the cgroup is what counts.
func (r *Runtime) killFound(ctx context.Context, task service.Task) error {
	container, err := r.findTask(ctx, task)
	if err != nil || container == nil {
		return err
	}

	return errors.Join(r.signal(ctx, task.ID, uint32(unix.SIGKILL), true), cgroup.Kill(ctx, r.cgroupPath(task.ID)))
}

func (r *Runtime) signal(ctx context.Context, id string, number uint32, all bool) error {
	_, err := r.client.TaskService().Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: number, All: all})
	if err := errgrpc.ToNative(err); err != nil && !errdefs.IsNotFound(err) && !hasEnded(err) {
		return err
	}

	return nil
}

// hasEnded recognises what shims and OCI runtimes say of a task that has ended, where they give it no code of its own.
func hasEnded(err error) bool {
	text := err.Error()

	return strings.Contains(text, "process already finished") ||
		strings.Contains(text, "no such process") ||
		strings.Contains(text, "container not running")
}

// Delete kills what is left of the task and removes it with all that belongs to it; a task that is gone is no error. A
// container with another attempt's label, or of another instance, is left alone. A containerd that is away is waited for,
// not for long, once all that ran has ended. It returns service.ErrOutputLost where all is removed, and the shim was killed
// with some of the output.
func (r *Runtime) Delete(ctx context.Context, task service.Task) error {
	ctx, leave, err := r.calls.enter(r.namespaced(ctx), task, patient)
	if err != nil {
		return fmt.Errorf("cannot delete %q: %w", task.ID, err)
	}
	defer leave()

	for repeats := 0; ; repeats++ {
		err = r.delete(ctx, task)
		if !errdefs.IsUnavailable(err) || repeats == mostRepeats || !r.awaitReturn(ctx) {
			break
		}
	}

	if err != nil {
		return fmt.Errorf("cannot delete %q: %w", task.ID, err)
	}

	return nil
}

func (r *Runtime) delete(ctx context.Context, task service.Task) error {
	container, err := r.find(ctx, task.ID)
	if err != nil {
		// What runs can be ended nevertheless.
		if record := r.claimed(task); record != nil {
			err = errors.Join(err, r.killClaimed(ctx, task, record))
		}

		return err
	}

	if container != nil {
		if number(*container, labelAttempt) != task.Attempt {
			return nil
		}

		if err := r.remove(ctx, *container); err != nil {
			return err
		}
	} else if !r.heldForLater(task) {
		r.letGo(ctx, task.ID) // it was prepared, or somebody else has removed the container
	}

	if err := r.removeStrays(ctx, task.ID); err != nil {
		return err
	}

	r.known.forget(task)

	lost := r.lostOutput(task)

	if err := r.sweep(task.ID, func(attempt uint64) bool { return attempt == task.Attempt }); err != nil {
		return err
	}

	if lost {
		return service.ErrOutputLost
	}

	return nil
}

// remove kills and deletes a container's task and then the container itself. The log is kept open until the last: what
// the task printed is then in the log, or waits in the FIFO for logd to come back.
func (r *Runtime) remove(ctx context.Context, container containers.Container) error {
	if err := r.removeTask(ctx, container.ID); err != nil {
		return err
	}

	released := r.letGo(ctx, container.ID)

	err := r.client.ContainerService().Delete(ctx, container.ID)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}

	if released { // a listing may have shown the container until now
		r.releaseListed(container.ID)
	}

	// What a daemon left that died during a command.
	return os.RemoveAll(execDir(r.config.RunDir, container.ID))
}

func (r *Runtime) removeTask(ctx context.Context, id string) error {
	response, err := r.state(ctx, id)
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}

	// Also of an ended task something may be left in the cgroup.
	if err == nil && response.Process.Status != tasktypes.Status_STOPPED {
		if err := r.signal(ctx, id, uint32(unix.SIGKILL), true); err != nil {
			return err
		}
	}

	if err := cgroup.Kill(ctx, r.cgroupPath(id)); err != nil {
		return err
	}

	if err == nil { // the shim must have noticed the end before it deletes
		_, err := r.client.TaskService().Wait(ctx, &tasks.WaitRequest{ContainerID: id})
		if err := errgrpc.ToNative(err); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}

	return r.deleteTask(ctx, id)
}

// stateTries is how often a shim is asked for the state of its task. containerd gives it two seconds to answer, which are
// not enough where hundreds of services end at once.
const stateTries = 5

func (r *Runtime) state(ctx context.Context, id string) (response *tasks.GetResponse, err error) {
	for range stateTries {
		response, err = r.client.TaskService().Get(ctx, &tasks.GetRequest{ContainerID: id})

		err = errgrpc.ToNative(err)
		if !errdefs.IsDeadlineExceeded(err) || ctx.Err() != nil {
			break
		}
	}

	return response, err
}

// deleteTask deletes a task that has ended, also one that containerd says not to know: where its shim was killed there
// is a bundle left, with a mount in it, until it is deleted. That first call then fails for want of a shim, and has
// cleaned up nevertheless, as the second one tells.
func (r *Runtime) deleteTask(ctx context.Context, id string) error {
	var problem error

	for range 2 {
		_, err := r.client.TaskService().Delete(ctx, &tasks.DeleteTaskRequest{ContainerID: id})

		err = errgrpc.ToNative(err)
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}

		problem = err
	}

	return problem
}

// sweep removes what attempts of an id left in the run directory.
func (r *Runtime) sweep(id string, drop func(attempt uint64) bool) error {
	return errors.Join(r.sweepRecords(id, drop), r.sweepFiles(id, drop))
}

// sweepRecords removes what is known of the tasks.
func (r *Runtime) sweepRecords(id string, drop func(attempt uint64) bool) error {
	return errors.Join(exits.Remove(r.config.RunDir, id, drop), r.unclaim(id, drop))
}

// sweepFiles removes what the tasks had.
func (r *Runtime) sweepFiles(id string, drop func(attempt uint64) bool) error {
	var problems []error

	for kind, remove := range map[string]func(runDir, id string, attempt uint64) error{
		"rootfs": RemoveOverlay, "config": removeConfig,
	} {
		entries, err := os.ReadDir(filepath.Join(r.config.RunDir, kind))
		if err != nil && !os.IsNotExist(err) {
			problems = append(problems, err)
		}

		for _, entry := range entries {
			suffix, ours := strings.CutPrefix(entry.Name(), id+".")
			attempt, err := strconv.ParseUint(suffix, 10, 64)

			if ours && err == nil && drop(attempt) {
				problems = append(problems, remove(r.config.RunDir, id, attempt))
			}
		}
	}

	return errors.Join(problems...)
}
