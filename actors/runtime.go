package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// listPause is the wait before the containers are listed again after that failed on a link that is up.
const listPause = time.Second

// runtimeActor is the link to the container runtime. It is itself the service "containerd".
type runtimeActor struct {
	recorder

	root  *actor.PID
	self  *actor.PID
	cause uint64 // record of the daemon's start
	link  uint64 // counts the times the link came up or went down; what belongs to an earlier one is stale
	up    bool
	peer  linkUp

	problem string // the last that was recorded since the link was up
}

func newRuntimeActor(world *world, root *actor.PID, cause uint64) *runtimeActor {
	return &runtimeActor{recorder: newRecorder(world, service.Runtime), root: root, cause: cause}
}

// Receive follows the link: up counts once the containers are listed, so that nothing starts before what is already
// there is known.
func (r *runtimeActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		r.self = ctx.Self()
		r.start()
	case linkUp:
		r.link++
		r.peer = message
		r.list()
	case linkDown:
		r.down(message.problem)
	case listAgain:
		if message.link == r.link {
			r.list()
		}
	case listed:
		r.see(message)
	}
}

func (r *runtimeActor) start() {
	r.recall()
	r.note(events.StateWaiting, r.cause, &events.RuntimeDisconnected{Problem: "not connected yet"})

	self := r.self
	go r.world.runtime.Link(r.world.ctx,
		func(address, version string) { r.world.send(self, linkUp{address: address, version: version}) },
		func(problem error) { r.world.send(self, linkDown{problem: problem}) },
	)
}

func (r *runtimeActor) list() {
	self, link, at := r.self, r.link, r.world.clock.Now()

	go func() {
		tasks, err := r.world.runtime.Observe(r.world.ctx)
		r.world.send(self, listed{link: link, tasks: tasks, at: at, problem: err})
	}()
}

func (r *runtimeActor) see(seen listed) {
	switch {
	case seen.link != r.link || errors.Is(seen.problem, context.Canceled):
	case seen.problem != nil:
		r.world.logger.Warn("cannot list the containers", "error", seen.problem)

		self := r.self
		r.world.clock.AfterFunc(listPause, func() { r.world.send(self, listAgain{link: seen.link}) })
	default:
		r.up, r.problem = true, ""
		r.note(events.StateRunning, 0, &events.RuntimeConnected{Address: r.peer.address, Version: r.peer.version})
		r.world.send(r.root, runtimeUp{tasks: seen.tasks, at: seen.at, seq: r.last})
	}
}

// down records each reason why there is no link, once.
func (r *runtimeActor) down(problem error) {
	r.link++

	if !r.up && problem.Error() == r.problem {
		return
	}

	lost := r.up
	r.up, r.problem = false, problem.Error()
	r.note(events.StateWaiting, 0, &events.RuntimeDisconnected{Problem: r.problem})

	if lost {
		r.world.send(r.root, runtimeDown{seq: r.last})
	}
}
