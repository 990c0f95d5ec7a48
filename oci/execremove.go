package oci

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// remove ends what is left of the command and forgets it. The caller's context may have ended.
func (c *command) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	problem := errors.Join(c.kill(ctx), c.delete(ctx))

	c.streams.Cancel()

	if err := c.streams.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		problem = errors.Join(problem, err)
	}

	// A writer of the caller's that blocks is left behind.
	limit, stop := context.WithTimeout(ctx, drainTimeout)
	defer stop()

	return errors.Join(problem, c.awaitOutput(limit))
}

// kill kills the command where it has not ended by itself, with all in its session: what it started would hold its output
// open and go on for ever.
func (c *command) kill(ctx context.Context) error {
	if c.pid == 0 || c.finished {
		return nil
	}

	_, err := c.runtime.client.TaskService().Kill(ctx, &tasks.KillRequest{
		ContainerID: c.id, ExecID: c.execID, Signal: uint32(unix.SIGKILL),
	})
	if err := errgrpc.ToNative(err); err != nil && !isGone(err) && !hasEnded(err) {
		return err
	}

	if err := cgroup.KillSession(ctx, c.runtime.cgroupPath(c.id), int(c.pid)); err != nil {
		return err
	}

	// The shim must have noticed the end before it deletes.
	_, err = c.runtime.client.TaskService().Wait(ctx, &tasks.WaitRequest{ContainerID: c.id, ExecID: c.execID})
	if err := errgrpc.ToNative(err); err != nil && !isGone(err) {
		return err
	}

	return nil
}

// delete makes containerd forget the process. The shim first waits for the output to be closed, which a process in a
// session of its own may prevent, until the call's deadline: then it has deleted it nevertheless, as a second call tells.
func (c *command) delete(ctx context.Context) error {
	var problem error

	for range 2 {
		limit, cancel := context.WithTimeout(ctx, drainTimeout)
		_, err := c.runtime.client.TaskService().DeleteProcess(limit, &tasks.DeleteProcessRequest{
			ContainerID: c.id, ExecID: c.execID,
		})

		cancel()

		err = errgrpc.ToNative(err)
		if err == nil || isGone(err) {
			return nil
		}

		problem = err
	}

	return problem
}

// isGone tells whether there is nothing any more that a call could be about: the command, or the whole task, whose shim has
// ended while the call was under way.
func isGone(err error) bool {
	return errdefs.IsNotFound(err) || err != nil && strings.Contains(err.Error(), ttrpc.ErrClosed.Error())
}
