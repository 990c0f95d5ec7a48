package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/service"
)

// returnTimeout is how long the deletion of a task waits for a containerd that is away: longer than ours takes to come
// back, and not so long that a shutdown is held up where it never does.
const returnTimeout = 10 * time.Second

// awaitReturn waits for a containerd that is away, and tells whether it is back. Once one has waited in vain, nobody does
// until it is back: many tasks are deleted one after the other.
func (r *Runtime) awaitReturn(ctx context.Context) bool {
	if r.child != nil {
		r.child.hasten()
	}

	if r.absent.Load() && !r.Connected() {
		return false
	}

	limit, cancel := context.WithTimeout(ctx, returnTimeout)
	defer cancel()

	back := r.awaitBack(limit)
	r.absent.Store(!back && ctx.Err() == nil)

	return back
}

// removeRemains ends and removes, without containerd, what is left of tasks that could not be deleted.
func (r *Runtime) removeRemains(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	ids, err := r.idsWithFiles()

	var (
		group    sync.WaitGroup
		mu       sync.Mutex
		problems = []error{err}
	)

	for id := range ids {
		group.Go(func() {
			err := r.removeRemainsOf(ctx, id)

			mu.Lock()
			defer mu.Unlock()

			problems = append(problems, err)
		})
	}

	group.Wait()
	server.RemoveSockets(r.config.RunDir)

	if err := few(problems); err != nil {
		return fmt.Errorf("cannot remove what is left of tasks: %w", err)
	}

	return nil
}

// removeRemainsOf ends the processes first, so that the shim passes on the last of what they printed before it is ended.
func (r *Runtime) removeRemainsOf(ctx context.Context, id string) error {
	err := errors.Join(cgroup.Kill(ctx, r.cgroupPath(id)), r.removeStrays(ctx, id))
	if err != nil {
		return err
	}

	r.letGo(ctx, id)

	every := func(uint64) bool { return true }

	return errors.Join(r.sweep(id, every), os.RemoveAll(execDir(r.config.RunDir, id)))
}

// lostOutput tells whether the shim of a task that is removed has taken what it held with it.
func (r *Runtime) lostOutput(task service.Task) bool {
	record, err := exits.Read(exits.Path(r.config.RunDir, task.ID, task.Attempt))

	return err == nil && record.Undelivered
}
