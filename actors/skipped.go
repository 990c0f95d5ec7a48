package actors

import (
	"fmt"
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// skipped is a service whose container was left by an earlier daemon and whose file has problems by now. What it should
// be is not known, so it goes on as it is: a typing error must not stop a service.
type skipped struct {
	recorder

	state    service.State
	rejected *events.SpecRejected
	observed *events.Observed // newest, where the link is up
}

// skip leaves a container that runs alone where the file that its service was last read from has problems.
func (r *rootActor) skip(id string, observed *events.Observed, cause uint64) bool {
	if observed.GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		r.dropSkipped(id)

		return false
	}

	known := r.skipped[id]
	if known == nil {
		r.former.take(id) // its history goes on without it
		known = r.recallSkipped(id)
	}

	known.observed = observed

	rejected := r.rejection(known.state.Lifecycle.GetSource())
	if rejected == nil {
		return false
	}

	r.skipped[id] = known
	known.show(rejected, cause)
	r.tellService(id, known.last)

	return true
}

// recallSkipped folds the service's history, as its own actor would.
func (r *rootActor) recallSkipped(id string) *skipped {
	known := &skipped{recorder: newRecorder(r.world, id), state: service.New(id)}

	err := r.world.journal.Replay(id, func(record events.Record) bool {
		if record.Event != nil {
			known.state = service.Apply(known.state, record.Event)
		}

		known.view = known.view.Apply(record)
		known.last = record.Seq

		return true
	})
	if err != nil {
		r.world.logger.Error("cannot read the whole history", "service", id, "error", err)
	}

	return known
}

// show records the problems, once.
func (s *skipped) show(rejected *events.SpecRejected, cause uint64) {
	if proto.Equal(s.rejected, rejected) {
		return
	}

	s.rejected = rejected
	s.world.logger.Warn("a service goes on as it is, because its file has problems", "service", s.view.ID,
		"file", rejected.GetFile())
	s.note(s.state.Name, cause, rejected)
}

// rejection returns what is wrong with a file, or with the directory that it is in; nil where nothing is.
func (r *rootActor) rejection(source string) *events.SpecRejected {
	for _, rejected := range r.desired.Rejected {
		if rejected.Covers(source) {
			return rejected
		}
	}

	return nil
}

// resumeSkipped has a service whose file is valid again take over its container.
func (r *rootActor) resumeSkipped(id string) {
	known := r.skipped[id]
	if known == nil {
		return
	}

	delete(r.skipped, id)
	r.world.send(r.services[id].pid, take{
		order: &events.RecoverService{Observed: known.observed}, origin: viaRuntime, cause: r.read,
	})
}

// judgeSkipped follows files that have other problems now, and ends what has no file any more.
func (r *rootActor) judgeSkipped(ctx actor.Context) {
	for _, id := range slices.Sorted(maps.Keys(r.skipped)) {
		known := r.skipped[id]

		if rejected := r.rejection(known.state.Lifecycle.GetSource()); rejected != nil {
			known.show(rejected, r.read)
		} else {
			r.removeSkipped(ctx, id, r.read)
		}
	}
}

func (r *rootActor) removeSkipped(ctx actor.Context, id string, cause uint64) {
	known := r.skipped[id]

	delete(r.skipped, id)
	r.removeOrphan(ctx, id, known.observed, cause)
}

// missSkipped forgets services whose containers are gone.
func (r *rootActor) missSkipped(tasks map[string]*events.Observed) {
	for id := range r.skipped {
		if tasks[id] == nil {
			r.dropSkipped(id)
			r.world.board.remove(id)
		}
	}
}

// dropSkipped tells those who depend on it that it is not there any more.
func (r *rootActor) dropSkipped(id string) {
	if r.skipped[id] != nil {
		delete(r.skipped, id)
		r.tellService(id, r.linked)
	}
}

func (s *skipped) uncontrollable() error {
	return fmt.Errorf("cannot control service %q: its file %q has problems; correct it, or remove it to stop the service",
		s.view.ID, s.rejected.GetFile())
}
