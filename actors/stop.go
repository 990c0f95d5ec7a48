package actors

import (
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
)

// shutdown stops services in reverse order of dependency: each one once those that need it have ended.
func (r *rootActor) shutdown(ctx actor.Context, message shutdown) {
	r.stopping = true
	r.hurry = r.hurry || message.hurry
	r.note("", 0, &events.ShutdownBegan{Hurry: message.hurry})
	r.ending = r.last

	for _, id := range slices.Sorted(maps.Keys(r.skipped)) {
		r.removeSkipped(ctx, id, r.ending)
	}

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
			r.world.send(known.pid, take{order: &events.ShutdownService{Hurry: r.hurry}, origin: daemon, cause: r.ending})
		}
	}
}

// needed tells whether another service that has not ended depends on this one.
func (r *rootActor) needed(id string, open []string) bool {
	return slices.ContainsFunc(open, func(other string) bool {
		return other != id && slices.Contains(r.services[other].needs(), id)
	})
}
