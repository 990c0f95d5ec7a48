package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
)

// host is one service of the host as root knows it.
type host struct {
	pid *actor.PID
	up  bool
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
