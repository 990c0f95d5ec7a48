package actors

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
)

// answerWithin is how long a watcher has for its first fact before its condition counts as unmet: a hanging file system
// must not keep a service from saying what it waits for.
const answerWithin = time.Second

// conditionActor is one condition, shared by all services that depend on it. It lives while somebody wants reports.
type conditionActor struct {
	world       *world
	condition   condition.Condition
	subscribers map[string]*actor.PID
	stop        func()
	known       bool
	met         bool
	text        string
	cause       uint64 // record that led to what is known; 0 where the system's watchers saw it
}

// Receive reports to each new subscriber what is known, and to all of them what changes.
func (c *conditionActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		c.start(ctx.Self())
	case *actor.Stopping:
		c.stop()
	case addSubscriber:
		c.subscribers[message.id] = message.pid
		if c.known {
			c.report(message.pid)
		}
	case removeSubscriber:
		delete(c.subscribers, message.id)
	case factSeen:
		c.see(message.fact, message.cause)
	case unanswered:
		if !c.known {
			c.see(nil, 0)
		}
	}
}

// start begins to watch. Facts about services and configuration come from root; all others from the system's watchers.
func (c *conditionActor) start(self *actor.PID) {
	stopTimer := c.world.clock.AfterFunc(answerWithin, func() { c.world.send(self, unanswered{}) })
	c.stop = func() { stopTimer() }

	switch c.condition.Kind {
	case condition.Service, condition.Completed, condition.Configuration:
		return
	}

	stopWatch := c.world.watcher.Watch(c.condition, func(fact condition.Fact) { c.world.send(self, factSeen{fact: fact}) })
	c.stop = func() {
		stopTimer()
		stopWatch()
	}
}

func (c *conditionActor) see(fact condition.Fact, cause uint64) {
	met, text := c.condition.Met(fact), c.condition.Text(fact)
	if c.known && met == c.met && text == c.text {
		return
	}

	c.known, c.met, c.text, c.cause = true, met, text, cause

	for _, id := range slices.Sorted(maps.Keys(c.subscribers)) {
		c.report(c.subscribers[id])
	}
}

func (c *conditionActor) report(subscriber *actor.PID) {
	c.world.send(subscriber, take{
		order:  &events.ObserveCondition{Key: c.condition.Key(), Met: c.met, Text: c.text},
		origin: viaCondition, cause: c.cause,
	})
}
