package actors

import (
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

	self       *actor.PID
	desired    Desired
	services   map[string]*member
	skipped    map[string]*skipped
	hosts      map[string]*host
	conditions map[condition.Condition]*shared
	former     former // services whose files are gone
	spawned    uint64 // conditions and hosts so far
	lives      life   // actors of services so far
	runtimeUp  bool
	journalUp  bool
	listed     *events.Instant   // when the runtime was last asked what it has
	began      uint64            // record of this daemon's start
	read       uint64            // record of the last reading of the files
	linked     uint64            // record of the last change of the link
	ending     uint64            // record of the beginning of the shutdown
	told       map[string]uint64 // by the id of a service, the record that led to what is known of it here
	stopping   bool
	closing    bool // its own actor is ending, and with it all others
	hurry      bool
	stopped    func() // called once, when everything has stopped
}

// member is one service as root knows it.
type member struct {
	pid       *actor.PID
	life      life
	file      *spec.Service
	config    *spec.Config         // nil where there is none
	rejected  *events.SpecRejected // its file has changed to one with problems; nil otherwise
	cycle     []string             // the services that wait for each other, where it is one of them
	status    status
	asked     bool          // to shut down
	removing  bool          // its file is gone; it is stopping
	unloading bool          // its actor is ending
	again     *spec.Service // its file is there again; it is loaded anew once the old one has ended

	past *past // what its last actor left, and what its actor leaves; root looks at it only once that has ended

	left *events.Observed // what the containers' listing showed of it while its actor was ending, which heard no more of it
}

// needs are the ids of the services that the member depends on.
func (m *member) needs() []string {
	var ids []string

	for _, dependency := range m.file.Depends {
		if dependency.Service != "" {
			ids = append(ids, dependency.Service)
		}
	}

	return ids
}

// shared is one condition actor with those who want its reports.
type shared struct {
	pid         *actor.PID
	subscribers map[string]bool
}

func newRootActor(world *world, desired Desired, stopped func()) *rootActor {
	return &rootActor{
		recorder: newRecorder(world, ""), desired: desired, stopped: stopped,
		services: make(map[string]*member), skipped: make(map[string]*skipped), hosts: make(map[string]*host), told: make(map[string]uint64), conditions: make(map[condition.Condition]*shared),
	}
}

// Receive routes.
func (r *rootActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		r.self = ctx.Self()
		r.start(ctx)
	case *actor.Stopping:
		r.closing = true
	case *actor.Terminated:
		if !r.closing { // what is spawned by then would never be told to end
			r.forget(ctx, message.Who)
			r.forgetHost(ctx, message.Who)
		}
	case reload:
		message.reply <- r.reload(ctx, message.desired)
	case give:
		r.give(message)
	case subscribe:
		r.subscribe(ctx, message)
	case unsubscribe:
		r.unsubscribe(ctx, message)
	case serviceChanged:
		r.change(ctx, message)
	case hostChanged:
		if known := r.hosts[message.name]; known.present() { // else nobody needs it any more
			known.up = message.up
			r.tellService(message.name, message.seq)
		}
	case journalChanged:
		r.journalUp = message.healthy
		r.tellService(service.Journal, message.seq)
	case runtimeUp:
		r.connect(ctx, message)
	case runtimeDown:
		r.runtimeUp, r.linked = false, message.seq
		r.tellService(service.Runtime, message.seq)
	case shutdown:
		r.shutdown(ctx, message)
	case takeSnapshots:
		r.snapshot(message.done)
	}
}

// snapshot asks every service but those whose file is gone and that have ended: they have nothing to add.
func (r *rootActor) snapshot(done func()) {
	asked := slices.DeleteFunc(r.ids(), func(id string) bool { return r.services[id].unloading })
	if len(asked) == 0 {
		done()

		return
	}

	var open atomic.Int64

	open.Store(int64(len(asked)))

	for _, id := range asked {
		r.world.send(r.services[id].pid, takeSnapshot{done: func() {
			if open.Add(-1) == 0 {
				done()
			}
		}})
	}
}

func (r *rootActor) start(ctx actor.Context) {
	r.note("", 0, &events.DaemonStarted{Version: r.world.version, BootId: r.world.bootID, Pid: r.world.pid})
	r.began, r.read = r.last, r.last

	r.world.board.publishRejected(r.desired.Rejected)
	r.noteRead(Desired{}, r.began)

	for _, file := range r.desired.sorted() {
		r.load(ctx, file, "", r.read)
	}

	r.observeHosts(ctx)
	r.findCycles()
	if r.world.journalHealth != nil {
		r.world.spawn(ctx, "journal", func() actor.Actor { return newJournalActor(r.world, r.self) })
	}

	r.world.spawn(ctx, "runtime", func() actor.Actor { return newRuntimeActor(r.world, r.self, r.began) })
}

// load spawns the actor of a service. orphan is the hash of its container where it has no file any more, else empty; cause
// is the record that led to it.
func (r *rootActor) load(ctx actor.Context, file *spec.Service, orphan string, cause uint64) {
	r.lives++
	known := &member{life: r.lives, file: file, config: r.desired.config(file.Name), past: r.former.take(file.ID())}
	known.pid = r.world.spawn(ctx, file.ID(), func() actor.Actor {
		loaded := newServiceActor(r.world, r.self, file, known.config, known.life)
		loaded.orphan, loaded.past, loaded.cause = orphan, known.past, cause

		return loaded
	})
	r.services[file.ID()] = known
	r.tellService(file.ID(), cause)
}

// spawn gives the actor of a condition or of a host service a name of its own: the last one for it may still be ending.
func (r *rootActor) spawn(ctx actor.Context, name string, produce actor.Producer) *actor.PID {
	r.spawned++

	return r.world.spawn(ctx, fmt.Sprintf("%d/%s", r.spawned, name), produce)
}

func (r *rootActor) ids() []string { return slices.Sorted(maps.Keys(r.services)) }

func (r *rootActor) give(message give) {
	known := r.services[message.id]

	switch {
	case known == nil && r.builtIn(message.id):
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: it is built in", message.id)}
	case known == nil && r.hosts[message.id].present():
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: it is the host's", message.id)}
	case known == nil && r.skipped[message.id] != nil:
		message.reply <- answer{err: r.skipped[message.id].uncontrollable()}
	case known == nil:
		message.reply <- answer{err: unknown(message.id, r.ids())}
	case known.removing:
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: its file is gone, it is being removed", message.id)}
	case r.stopping:
		message.reply <- answer{err: fmt.Errorf("cannot control service %q: the daemon is shutting down", message.id)}
	default:
		r.world.send(known.pid, take{order: message.order, origin: message.origin, reply: message.reply})
	}
}

// builtIn tells whether an id is that of something that is extactor's own.
func (r *rootActor) builtIn(id string) bool {
	return id == service.Runtime || id == service.Journal && r.world.journalHealth != nil
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

// speaks tells whether a message is of the actor that a service has now.
func (r *rootActor) speaks(id string, life life) bool {
	known := r.services[id]

	return known != nil && known.life == life
}

func (r *rootActor) subscribe(ctx actor.Context, message subscribe) {
	if !r.speaks(message.id, message.life) {
		return
	}

	wanted := r.conditions[message.wanted]
	if wanted == nil {
		wanted = &shared{subscribers: make(map[string]bool)}
		wanted.pid = r.spawn(ctx, "condition/"+message.wanted.Key(), func() actor.Actor {
			return &conditionActor{world: r.world, condition: message.wanted, subscribers: make(map[string]*actor.PID)}
		})
		r.conditions[message.wanted] = wanted

		switch message.wanted.Kind {
		case condition.Service, condition.Completed:
			r.tellService(message.wanted.Name, 0)
		case condition.Configuration:
			r.tellConfig(message.wanted.Name)
		}
	}

	wanted.subscribers[message.id] = true
	r.world.send(wanted.pid, addSubscriber{id: message.id, pid: r.services[message.id].pid})
}

func (r *rootActor) unsubscribe(ctx actor.Context, message unsubscribe) {
	unwanted := r.conditions[message.unwanted]
	if unwanted == nil || !r.speaks(message.id, message.life) {
		return
	}

	delete(unwanted.subscribers, message.id)
	r.world.send(unwanted.pid, removeSubscriber{id: message.id})

	if len(unwanted.subscribers) == 0 {
		ctx.Stop(unwanted.pid)
		delete(r.conditions, message.unwanted)
	}
}

// tellService brings the state of a service to those who depend on it. A cause of 0 stands for the record that led to what
// was told before, or to there being such a service or none.
func (r *rootActor) tellService(id string, cause uint64) {
	switch {
	case cause != 0:
		r.told[id] = cause
	case r.told[id] != 0:
		cause = r.told[id]
	default:
		cause = r.read
	}

	var fact condition.ServiceFact

	switch known, host := r.services[id], r.hosts[id]; {
	case known != nil:
		fact = condition.ServiceFact{Registered: true, Up: known.status.up, Completed: known.status.done}
	case r.skipped[id] != nil: // it runs; what its file would say of its health is not known
		fact = condition.ServiceFact{Registered: true, Up: true}
	case id == service.Runtime:
		fact = condition.ServiceFact{Registered: true, Up: r.runtimeUp}
	case r.builtIn(id):
		fact = condition.ServiceFact{Registered: true, Up: r.journalUp}
	case host.present():
		fact = condition.ServiceFact{Registered: true, Up: host.up}
	}

	for _, kind := range []condition.Kind{condition.Service, condition.Completed} {
		if dependents := r.conditions[condition.Condition{Kind: kind, Name: id}]; dependents != nil {
			r.world.send(dependents.pid, factSeen{fact: fact, cause: cause})
		}
	}
}

// tellConfig brings the existence of a configuration to the service that waits for it.
func (r *rootActor) tellConfig(name string) {
	if waiting := r.conditions[condition.Condition{Kind: condition.Configuration, Name: name}]; waiting != nil {
		r.world.send(waiting.pid, factSeen{fact: condition.ConfigurationFact{Exists: r.desired.config(name) != nil}, cause: r.read})
	}
}

func (r *rootActor) change(ctx actor.Context, message serviceChanged) {
	if !r.speaks(message.id, message.life) {
		return // it was removed meanwhile
	}

	known := r.services[message.id]
	before := known.status
	known.status = message.status

	if before.up != known.status.up || before.done != known.status.done {
		r.tellService(message.id, message.seq)
	}

	// It was asked to shut down before something else came of it.
	if !before.quarantined && known.status.quarantined || before.ended && !known.status.ended {
		known.asked = false
	}

	if known.removing && before.ended && !known.status.ended {
		r.world.send(known.pid, take{order: &events.RemoveService{}, origin: daemon, cause: message.seq})
	}

	r.unloadRemoved(ctx, message.id)

	if r.stopping {
		r.stopNext()
	}
}

// connect compares what the runtime shows with what each service's journal says, and only then lets anything start.
func (r *rootActor) connect(ctx actor.Context, message runtimeUp) {
	r.linked = message.seq

	for _, observed := range message.tasks { // before anybody else reads them
		observed.At = message.at
	}

	for _, id := range r.ids() {
		observed := message.tasks[id]
		if observed == nil {
			observed = &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE, At: message.at}
		}

		if known := r.services[id]; known.unloading {
			known.left = message.tasks[id]

			continue
		}

		r.world.send(r.services[id].pid, take{
			order: &events.RecoverService{Observed: observed}, origin: viaRuntime, cause: message.seq,
		})
	}

	r.missSkipped(message.tasks)

	for _, id := range slices.Sorted(maps.Keys(message.tasks)) {
		r.judgeLeft(ctx, id, message.tasks[id], message.seq)
	}

	r.runtimeUp, r.listed = true, message.at
	r.tellService(service.Runtime, message.seq)
}

// judgeLeft ends a container that no service has, unless it is left alone because its file has problems.
func (r *rootActor) judgeLeft(ctx actor.Context, id string, observed *events.Observed, cause uint64) {
	if r.services[id] == nil && !r.stopping && !r.skip(id, observed, cause) {
		r.removeOrphan(ctx, id, observed, cause)
	}
}

// removeOrphan ends a container whose service file is no longer there as it would have ended with the file gone before
// its eyes: with its stop signal and its time to end, and every step recorded.
func (r *rootActor) removeOrphan(ctx actor.Context, id string, observed *events.Observed, cause uint64) {
	r.load(ctx, &spec.Service{
		Name: strings.TrimPrefix(id, "ext-"), Restart: spec.RestartNever,
		Extactor: spec.Extactor{Stop: spec.Stop{Signal: spec.DefaultStopSignal, Timeout: spec.DefaultStopTimeout}},
	}, observed.GetSpecHash(), cause)

	known := r.services[id]
	known.removing = true
	r.world.send(known.pid, take{order: &events.RecoverService{Observed: observed}, origin: viaRuntime, cause: cause})
	r.world.send(known.pid, take{order: &events.RemoveService{}, origin: daemon, cause: cause}) // last: it ends the actor where nothing runs
}
