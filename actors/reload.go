package actors

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// Desired is what the files say.
type Desired struct {
	Services []*spec.Service        // each id once
	Rejected []*events.SpecRejected // service files that were skipped
	Configs  []*spec.Config         // each name once
	Hosts    []string               // services of the host that are configured; those that somebody needs are found besides
	Origin   *events.Origin         // who had the files read; nil where they were seen to change
}

// sorted lists the services by id, so that the order of files on disk decides nothing.
func (d Desired) sorted() []*spec.Service {
	return slices.SortedFunc(slices.Values(d.Services), func(a, b *spec.Service) int { return cmp.Compare(a.ID(), b.ID()) })
}

func (d Desired) config(name string) *spec.Config {
	for _, config := range d.Configs {
		if config.Name == name {
			return config
		}
	}

	return nil
}

// Change is what a reload did to one service.
type Change struct {
	ID     string
	Action Action
}

// Action is one thing that a reload does to a service.
type Action string

// What a reload does. What stays as it is, is not mentioned.
const (
	Added   Action = "added"
	Changed Action = "changed"
	Removed Action = "removed"
	Ignored Action = "ignored" // its file has problems now; it goes on as it was
)

// reload makes what runs follow the files. A file that has become invalid changes nothing but what status says.
func (r *rootActor) reload(ctx actor.Context, desired Desired) []Change {
	if r.stopping {
		return nil
	}

	before := r.desired
	r.desired = desired
	r.world.board.publishRejected(desired.Rejected)
	r.noteRead(before, 0)

	var changes []Change

	for _, file := range desired.sorted() {
		if action := r.follow(ctx, file); action != "" {
			changes = append(changes, Change{ID: file.ID(), Action: action})
		}
	}

	for _, id := range r.ids() {
		if slices.ContainsFunc(desired.Services, func(file *spec.Service) bool { return file.ID() == id }) {
			continue
		}

		if action := r.miss(id); action != "" {
			changes = append(changes, Change{ID: id, Action: action})
		}
	}

	r.judgeSkipped(ctx)

	for _, config := range slices.Concat(before.Configs, desired.Configs) {
		r.tellConfig(config.Name)
	}

	r.observeHosts(ctx)
	r.findCycles()
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.ID, b.ID) })

	return changes
}

// follow brings one service in line with its file and its configuration.
func (r *rootActor) follow(ctx actor.Context, file *spec.Service) Action {
	known, config := r.services[file.ID()], r.desired.config(file.Name)

	switch {
	case known == nil:
		r.loadLate(ctx, file, nil)

		return Added
	case known.removing && reflect.DeepEqual(known.again, file):
		return ""
	case known.removing:
		known.again = file
		r.unloadRemoved(ctx, file.ID())

		return Added
	}

	if known.rejected != nil {
		known.rejected = nil
		r.world.send(known.pid, reject{rejected: &events.SpecRejected{File: file.Source}, cause: r.read})
	}

	if reflect.DeepEqual(known.file, file) && reflect.DeepEqual(known.config, config) {
		return ""
	}

	known.file, known.config = file, config
	r.world.send(known.pid, reshape{file: file, config: config, cause: r.read})

	return Changed
}

// loadLate spawns the actor of a service when the containers may have been listed already. Its history may end with a
// task that is gone, or with a start whose outcome nobody reports any more. left is what was listed of it, nil for nothing.
func (r *rootActor) loadLate(ctx actor.Context, file *spec.Service, left *events.Observed) {
	r.load(ctx, file, "", r.read)

	switch id := file.ID(); {
	case r.skipped[id] != nil:
		r.resumeSkipped(id)
	case r.runtimeUp:
		if left == nil {
			left = &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE, At: r.listed}
		}

		r.world.send(r.services[id].pid, take{order: &events.RecoverService{Observed: left}, origin: viaRuntime, cause: r.read})
	}
}

// miss follows a service that no valid file names any more: its file is gone, or has problems.
func (r *rootActor) miss(id string) Action {
	known := r.services[id]
	known.again = nil

	for _, rejected := range r.desired.Rejected {
		if !rejected.Covers(known.file.Source) || known.removing {
			continue
		}

		if !proto.Equal(known.rejected, rejected) {
			known.rejected = rejected
			r.world.send(known.pid, reject{rejected: rejected, cause: r.read})
		}

		return Ignored
	}

	if known.removing {
		return ""
	}

	known.removing = true
	r.world.send(known.pid, take{order: &events.RemoveService{}, origin: daemon, cause: r.read})

	return Removed
}

// unloadRemoved ends the actor of a service whose file is gone, once it has stopped and nothing is left of it. Where the
// file is there again, what is left is the next actor's.
func (r *rootActor) unloadRemoved(ctx actor.Context, id string) {
	known := r.services[id]

	now := known.status
	if known.unloading || !known.removing || !now.removed || !now.ended || !now.idle || now.stuck != nil && known.again == nil {
		return
	}

	for wanted, shared := range r.conditions {
		if shared.subscribers[id] {
			r.unsubscribe(ctx, unsubscribe{id: id, life: known.life, unwanted: wanted})
		}
	}

	known.unloading = true
	ctx.Poison(known.pid) // behind what it was sent before, such as a snapshot; its parent is told of its end without asking
}

// forget follows the end of an actor that was unloaded. Only now may another one write the service's history.
func (r *rootActor) forget(ctx actor.Context, ended *actor.PID) {
	for _, id := range r.ids() {
		known := r.services[id]
		if !known.unloading || !known.pid.Equal(ended) { // the next actor of a service has the name of the last one
			continue
		}

		delete(r.services, id)
		r.former.keep(id, known.past)
		r.world.board.remove(id)

		switch {
		case known.again != nil && !r.stopping:
			r.loadLate(ctx, known.again, known.left)

			if stuck := known.status.stuck; stuck != nil {
				r.world.send(r.services[id].pid, deleteAgain(*stuck))
			}
		case known.left != nil:
			r.judgeLeft(ctx, id, known.left, r.linked)
		}

		if r.services[id] == nil {
			delete(r.told, id)
		}

		r.tellService(id, 0)

		r.observeHosts(ctx)
		r.findCycles()

		if r.stopping {
			r.stopNext()
		}
	}
}

// observeHosts keeps one actor for each service of the host that is configured or that somebody needs.
func (r *rootActor) observeHosts(ctx actor.Context) {
	wanted := make(map[string]bool)

	for _, name := range r.desired.Hosts {
		wanted[name] = true
	}

	for _, known := range r.services {
		for _, id := range known.needs() {
			if r.services[id] == nil && !r.builtIn(id) {
				wanted[id] = true
			}
		}
	}

	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		if host := r.hosts[name]; !wanted[name] && !host.ending {
			host.ending = true
			ctx.Stop(host.pid)
			r.tellService(name, r.read)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if r.hosts[name] == nil && r.world.prober.KnowsHost(name) {
			known := &host{}
			known.pid = r.spawn(ctx, "host/"+name, func() actor.Actor { return newHostActor(r.world, r.self, name) })
			r.hosts[name] = known
			r.tellService(name, r.read)
		}
	}
}

// findCycles tells each service that waits for itself by way of others.
func (r *rootActor) findCycles() {
	needs := make(map[string][]string, len(r.services))
	for id, known := range r.services {
		needs[id] = known.needs()
	}

	for _, id := range r.ids() {
		known := r.services[id]

		path := service.Cycle(id, needs)
		if !slices.Equal(path, known.cycle) {
			known.cycle = path
			r.world.send(known.pid, cycle{path: path, cause: r.read})
		}
	}
}
