package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// lookInterval is how often the words about a journal that cannot be written are brought up to date: how much it keeps in
// memory changes with each record, which nobody is told of.
const lookInterval = time.Second

// JournalHealth tells whether what is recorded reaches the disk, with a word on why where it does not, and returns a
// channel that is closed when that changes.
type JournalHealth func() (healthy bool, message string, changed <-chan struct{})

// journalActor shows how the journal does. It is itself the service "journal".
type journalActor struct {
	recorder

	root    *actor.PID
	self    *actor.PID
	known   bool
	healthy bool
	looking bool // it will look again by itself
}

// journalSeen brings the state of the journal to its actor.
type journalSeen struct {
	healthy bool
	message string
}

// lookAtJournal asks the actor of the journal for its newest words.
type lookAtJournal struct{}

// journalChanged tells root that the journal can be written, or cannot.
type journalChanged struct {
	healthy bool
	seq     uint64
}

func newJournalActor(world *world, root *actor.PID) *journalActor {
	return &journalActor{recorder: newRecorder(world, service.Journal), root: root}
}

// Receive records what changes. Only the words of what is known already are not recorded: they would change again by it.
func (j *journalActor) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		j.self = ctx.Self()
		j.recall()

		go j.watch(j.self)
	case journalSeen:
		j.see(message)
	case lookAtJournal:
		j.looking = false
		healthy, words, _ := j.world.journalHealth()
		j.see(journalSeen{healthy: healthy, message: words})
	}
}

func (j *journalActor) watch(self *actor.PID) {
	for {
		healthy, message, changed := j.world.journalHealth()
		j.world.send(self, journalSeen{healthy: healthy, message: message})

		select {
		case <-changed:
		case <-j.world.ctx.Done():
			return
		}
	}
}

func (j *journalActor) see(seen journalSeen) {
	if !j.known || j.healthy != seen.healthy {
		j.known, j.healthy = true, seen.healthy
		j.note(events.StateRunning, 0, &events.JournalChanged{Healthy: seen.healthy, Detail: seen.message})
		j.world.send(j.root, journalChanged{healthy: seen.healthy, seq: j.last})
	} else if j.view.Health.LastMessage != seen.message {
		j.view.Health.LastMessage = seen.message
		j.world.board.publish(j.view)
	}

	if !seen.healthy && !j.looking {
		j.looking = true
		self := j.self
		j.world.clock.AfterFunc(lookInterval, func() { j.world.send(self, lookAtJournal{}) })
	}
}
