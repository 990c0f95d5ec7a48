package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// rootActor spawns all others, knows who depends on whom, and never restarts.
type rootActor struct {
	recorder

	files      []*spec.Service
	rejected   []*events.SpecRejected
	services   map[string]*member
	conditions map[condition.Condition]*shared
	spawned    uint64 // condition actors so far
	runtimeUp  bool
	stopping   bool
	hurry      bool
	stopped    func() // called once, when everything has stopped
}

// member is one service as root knows it.
type member struct {
	pid    *actor.PID
	needs  []string // ids of the services it depends on
	status status
	asked  bool // to shut down
}

// shared is one condition actor with those who want its reports.
type shared struct {
	pid         *actor.PID
	subscribers map[string]bool
}

func newRootActor(world *world, files []*spec.Service, stopped func()) *rootActor {
	return &rootActor{
		recorder: newRecorder(world, ""), files: files, stopped: stopped,
		services: make(map[string]*member), conditions: make(map[condition.Condition]*shared),
	}
}

// Receive routes.
func (r *rootActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		r.start(ctx)
	case give:
		r.give(message)
	case subscribe:
		r.subscribe(ctx, message)
	case unsubscribe:
		r.unsubscribe(ctx, message)
	case serviceChanged:
		r.change(message)
	case runtimeUp:
		r.connect(message)
	case runtimeDown:
		r.runtimeUp = false
		r.tellService(service.Runtime, message.seq)
	case shutdown:
		r.shutdown(message)
	case takeSnapshots:
		r.snapshot(message.done)
	}
}

func (r *rootActor) snapshot(done func()) {
	if len(r.services) == 0 {
		done()

		return
	}

	var open atomic.Int64

	open.Store(int64(len(r.services)))

	for _, id := range r.ids() {
		r.world.send(r.services[id].pid, takeSnapshot{done: func() {
			if open.Add(-1) == 0 {
				done()
			}
		}})
	}
}

func (r *rootActor) start(ctx actor.Context) {
	r.note("", 0, &events.DaemonStarted{Version: r.world.version, BootId: r.world.bootID, Pid: r.world.pid})

	for _, rejected := range r.rejected {
		r.note("", 0, rejected)
	}

	for _, file := range r.files {
		id := file.ID()
		known := &member{}

		for _, dependency := range file.Depends {
			if dependency.Service != "" {
				known.needs = append(known.needs, dependency.Service)
			}
		}

		self := ctx.Self()
		known.pid = r.world.spawn(ctx, id, func() actor.Actor { return newServiceActor(r.world, self, file) })
		r.services[id] = known
		r.tellService(id, 0)
	}

	self := ctx.Self()
	r.world.spawn(ctx, "runtime", func() actor.Actor { return newRuntimeActor(r.world, self) })
}

func (r *rootActor) ids() []string { return slices.Sorted(maps.Keys(r.services)) }

func (r *rootActor) give(message give) {
	known := r.services[message.id]

	switch {
	case known == nil && message.id == service.Runtime:
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: it is built in", message.id)}
	case known == nil:
		message.reply <- answer{err: unknown(message.id, r.ids())}
	case r.stopping:
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: the daemon is shutting down", message.id)}
	default:
		r.world.send(known.pid, take{order: message.order, origin: message.origin, reply: message.reply})
	}
}

// unknown names the services there are, so that a typing error is seen at once.
func unknown(id string, ids []string) error {
	const most = 20

	more := ""
	if len(ids) > most {
		more = fmt.Sprintf(" and %d more", len(ids)-most)
		ids = ids[:most]
	}

	if len(ids) == 0 {
		return fmt.Errorf("%w %q: no service is loaded", ErrUnknownService, id)
	}

	return fmt.Errorf("%w %q, known are: %s%s", ErrUnknownService, id, strings.Join(ids, ", "), more)
}

func (r *rootActor) subscribe(ctx actor.Context, message subscribe) {
	wanted := r.conditions[message.wanted]
	if wanted == nil {
		wanted = &shared{subscribers: make(map[string]bool)}
		r.spawned++ // part of the name: the last actor of this condition may still be ending
		wanted.pid = r.world.spawn(ctx, fmt.Sprintf("condition/%d/%s", r.spawned, message.wanted.Key()), func() actor.Actor {
			return &conditionActor{world: r.world, condition: message.wanted, subscribers: make(map[string]*actor.PID)}
		})
		r.conditions[message.wanted] = wanted

		switch message.wanted.Kind {
		case condition.Service:
			r.tellService(message.wanted.Name, 0)
		case condition.Configuration:
			r.world.send(wanted.pid, factSeen{fact: condition.ConfigurationFact{}})
		}
	}

	wanted.subscribers[message.id] = true
	r.world.send(wanted.pid, addSubscriber{id: message.id, pid: r.services[message.id].pid})
}

func (r *rootActor) unsubscribe(ctx actor.Context, message unsubscribe) {
	unwanted := r.conditions[message.unwanted]
	if unwanted == nil {
		return
	}

	delete(unwanted.subscribers, message.id)
	r.world.send(unwanted.pid, removeSubscriber{id: message.id})

	if len(unwanted.subscribers) == 0 {
		ctx.Stop(unwanted.pid)
		delete(r.conditions, message.unwanted)
	}
}

// tellService brings the state of a service to those who depend on it.
func (r *rootActor) tellService(id string, cause uint64) {
	dependents := r.conditions[condition.Condition{Kind: condition.Service, Name: id}]
	if dependents == nil {
		return
	}

	var fact condition.ServiceFact

	if known := r.services[id]; known != nil {
		fact = condition.ServiceFact{Registered: true, Up: known.status.up}
	} else if id == service.Runtime {
		fact = condition.ServiceFact{Registered: true, Up: r.runtimeUp}
	}

	r.world.send(dependents.pid, factSeen{fact: fact, cause: cause})
}

func (r *rootActor) change(message serviceChanged) {
	known := r.services[message.id]
	before := known.status
	known.status = message.status

	if before.up != known.status.up {
		r.tellService(message.id, message.seq)
	}

	// It was asked to shut down before something else came of it.
	if !before.quarantined && known.status.quarantined || before.ended && !known.status.ended {
		known.asked = false
	}

	if r.stopping {
		r.stopNext()
	}
}

// connect compares what the runtime shows with what each service's journal says, and only then lets anything start.
func (r *rootActor) connect(message runtimeUp) {
	for _, id := range r.ids() {
		observed := message.tasks[id]
		if observed == nil {
			observed = &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE}
		}

		observed.At = message.at

		r.world.send(r.services[id].pid, take{
			order: &events.RecoverService{Observed: observed}, origin: viaRuntime, cause: message.seq,
		})
	}

	for _, id := range slices.Sorted(maps.Keys(message.tasks)) {
		if r.services[id] == nil {
			r.removeOrphan(service.Task{ID: id, Attempt: message.tasks[id].GetAttempt()})
		}
	}

	r.runtimeUp = true
	r.tellService(service.Runtime, message.seq)
}

// removeOrphan ends a container whose service file is no longer there.
func (r *rootActor) removeOrphan(task service.Task) {
	r.world.logger.Warn("removing a container whose service file is gone", "service", task.ID)

	go func() {
		if err := r.world.runtime.Delete(r.world.ctx, task); err != nil {
			r.world.logger.Warn("cannot delete the container", "service", task.ID, "error", err)
		}
	}()
}

// shutdown stops services in reverse order of dependency: each one once those that need it have ended.
func (r *rootActor) shutdown(message shutdown) {
	r.stopping = true
	r.hurry = r.hurry || message.hurry

	if message.hurry {
		for _, known := range r.services {
			known.asked = false
		}
	}

	r.stopNext()
}

func (r *rootActor) stopNext() {
	var open []string

	for _, id := range r.ids() {
		if known := r.services[id]; !known.status.ended || !known.status.idle || !known.status.told {
			open = append(open, id)
		}
	}

	if len(open) == 0 {
		r.stopped()

		return
	}

	ready := slices.DeleteFunc(slices.Clone(open), func(id string) bool { return !r.hurry && r.needed(id, open) })
	if len(ready) == 0 {
		ready = open // a cycle: nobody can be last
	}

	for _, id := range ready {
		if known := r.services[id]; !known.asked {
			known.asked = true
			r.world.send(known.pid, take{order: &events.ShutdownService{Hurry: r.hurry}, origin: daemon})
		}
	}
}

// needed tells whether another service that has not ended depends on this one.
func (r *rootActor) needed(id string, open []string) bool {
	return slices.ContainsFunc(open, func(other string) bool {
		return other != id && slices.Contains(r.services[other].needs, id)
	})
}

func sortByID(files []*spec.Service) []*spec.Service {
	return slices.SortedFunc(slices.Values(files), func(a, b *spec.Service) int { return cmp.Compare(a.ID(), b.ID()) })
}
