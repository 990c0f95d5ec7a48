package oci

import (
	"context"
	"io"

	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
)

// held is a log FIFO that is kept open for a task.
type held struct {
	io.Closer
	attempt uint64 // the newest that was prepared
	listed  bool   // because the container was listed, by a listing that may be old, and for no other reason
}

// holdAgain makes the log FIFO of an id that is about to be used, and keeps it open until its task is deleted.
func (r *Runtime) holdAgain(task service.Task) error {
	_, err := r.hold(task, false)

	return err
}

// holdListed does so for a task that an earlier daemon has started, unless it has been deleted since it was listed.
// It waits for no other call of the id: one that hangs must not keep the rest from being seen.
func (r *Runtime) holdListed(ctx context.Context, task service.Task) error {
	first, err := r.hold(task, true)
	if err != nil || !first {
		return err
	}

	// A deletion that comes after this look lets go of the FIFO itself.
	container, err := r.findTask(ctx, task)
	if err == nil && container == nil {
		r.releaseListed(task.ID)
	}

	return err
}

// hold makes the log of an id and keeps its FIFO open until its task is deleted, and tells whether it was not yet. Both are
// one step, because whoever lets go of a FIFO removes it.
func (r *Runtime) hold(task service.Task, listed bool) (first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if err := logs.Create(r.logs, task.ID); err != nil {
		return false, err
	}

	open, ok := r.holds[task.ID]
	if !ok {
		fifo, err := logs.Hold(r.logs, task.ID)
		if err != nil {
			return false, err
		}

		open.Closer, open.listed = fifo, listed
	}

	open.attempt, open.listed = max(open.attempt, task.Attempt), open.listed && listed
	r.holds[task.ID] = open

	return !ok, nil
}

// heldForLater tells whether a later attempt has been prepared, whose log must stay.
func (r *Runtime) heldForLater(task service.Task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.holds[task.ID].attempt > task.Attempt
}

// letGo removes the log FIFO once nothing is left in it, and tells whether it did.
func (r *Runtime) letGo(ctx context.Context, id string) bool {
	drain, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()

	if err := logs.Drained(drain, r.logs, id); err != nil {
		r.config.Logger.Warn().Err(err).Msg("log not drained; it is kept open")

		return false
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	r.release(id)

	return true
}

// releaseListed lets go of a log FIFO that is held only because of a listing.
func (r *Runtime) releaseListed(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.holds[id].listed {
		r.release(id)
	}
}

// release lets go of the log FIFO and removes it. The lock is held.
func (r *Runtime) release(id string) {
	if held, ok := r.holds[id]; ok {
		_ = held.Close()
		delete(r.holds, id)
	}

	if err := logs.Remove(r.logs, id); err != nil {
		r.config.Logger.Warn().Err(err).Msg("log FIFO not removed")
	}
}
