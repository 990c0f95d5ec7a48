package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
)

// host is one service of the host as root knows it.
type host struct {
	pid    *actor.PID
	up     bool
	ending bool // nobody needs it any more; until its actor has ended it may still publish its view
}

// present tells whether a service of the host is there for those who depend on it.
func (h *host) present() bool { return h != nil && !h.ending }

// forgetHost follows the end of the actor of a host service. It may be needed again by now.
func (r *rootActor) forgetHost(ctx actor.Context, ended *actor.PID) {
	for name, known := range r.hosts {
		if known.ending && known.pid.Equal(ended) {
			delete(r.hosts, name)
			r.world.board.remove(name)
			r.observeHosts(ctx)

			return
		}
	}
}

// hostChanged tells root that a service of the host came up or went down.
type hostChanged struct {
	name string
	up   bool
	seq  uint64
}

// hostActor is one service of the host: it is observed, never run.
type hostActor struct {
	recorder

	root *actor.PID
	stop func()
}

func newHostActor(world *world, root *actor.PID, name string) *hostActor {
	return &hostActor{recorder: newRecorder(world, name), root: root, stop: func() {}}
}

// Receive records what the probe sees.
func (h *hostActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		h.start(ctx.Self())
	case *actor.Stopping:
		h.stop()
	case hostSeen:
		h.see(message)
	}
}

func (h *hostActor) start(self *actor.PID) {
	h.recall()
	h.world.board.publish(h.view)
	h.stop = h.world.prober.WatchHost(h.view.ID, func(up bool, detail string) {
		h.world.send(self, hostSeen{up: up, detail: detail})
	})
}

func (h *hostActor) see(seen hostSeen) {
	state := events.StateWaiting
	if seen.up {
		state = events.StateRunning
	}

	h.note(state, 0, &events.HostChanged{Up: seen.up, Detail: seen.detail})
	h.world.send(h.root, hostChanged{name: h.view.ID, up: seen.up, seq: h.last})
}
