package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Messages are plain values; they never leave the process.

// give asks root to hand a person's order to a service.
type give struct {
	id     string
	order  events.Order
	origin *events.Origin
	reply  chan<- answer // room for one
}

// answer is what became of an order: the sequence of its last record, or of the last one before it where it changed
// nothing.
type answer struct {
	seq uint64
	err error
}

// take asks a service to carry a command through.
type take struct {
	order  events.Order
	origin *events.Origin
	cause  uint64        // record that led to it; 0 for a root fact
	reply  chan<- answer // nil where nobody waits
}

// callDone tells a service that its call to the container runtime returned.
type callDone struct {
	outcome events.Order // nil: nothing to report
	cause   uint64       // record that asked for the call
}

// callPanicked tells a service that the program failed in one of its calls.
type callPanicked struct{ reason any }

// waitBroken tells a service that nobody waits for its task's exit any more.
type waitBroken struct {
	attempt uint64
	problem error
}

// waitAgain asks a service to wait for its task's exit once more.
type waitAgain struct{ attempt uint64 }

// deletion is to remove what is left of an attempt.
type deletion struct {
	attempt uint64
	cause   uint64        // record that asked for it
	pause   time.Duration // before it is tried again, where it cannot be done
}

// deleteBroken tells a service that a deletion failed.
type deleteBroken deletion

// deleteAgain asks a service for it once more.
type deleteAgain deletion

// timerFired tells a service that a timer ran out.
type timerFired struct {
	attempt uint64
	timer   events.Timer
	key     string // of the condition, for TIMER_DEPENDENCY
	at      int64  // CLOCK_BOOTTIME nanoseconds for which it was armed
	cause   uint64 // record that armed it
}

// life tells apart the actors that a service has had, one after the other, while its file came and went: what the last
// one said may arrive when the next one is there.
type life uint64

// subscribe and unsubscribe tell root which conditions a service wants to hear of.
type subscribe struct {
	id     string
	life   life
	wanted condition.Condition
}

type unsubscribe struct {
	id       string
	life     life
	unwanted condition.Condition
}

// serviceChanged tells root what others need to know of a service.
type serviceChanged struct {
	id     string
	life   life
	status status
	seq    uint64 // record that changed it
}

// status is what others need to know of a service.
type status struct {
	up    bool // running, and healthy where it has a health check
	done  bool // finished by itself and without error
	ended bool // nothing runs and nothing starts by itself
	idle  bool // no call to the container runtime is under way
	told  bool // it knows that the daemon goes down

	removed bool      // it knows that its file is gone
	stuck   *deletion // what could not be deleted of it, and is tried again; nil for nothing

	quarantined bool
}

// factSeen brings a fact to the actor of its condition.
type factSeen struct {
	fact  condition.Fact
	cause uint64
}

// unanswered reminds a condition that its watcher has not reported anything yet.
type unanswered struct{}

// addSubscriber and removeSubscriber go from root to the actor of a condition.
type addSubscriber struct {
	id  string
	pid *actor.PID
}

type removeSubscriber struct{ id string }

// linkUp, linkDown and listed come from the goroutines of the runtime's link.
type linkUp struct{ address, version string }

type linkDown struct{ problem error }

type listed struct {
	link    uint64
	tasks   map[string]*events.Observed
	at      *events.Instant // when the listing began
	problem error
}

type listAgain struct{ link uint64 }

// runtimeUp and runtimeDown tell root about the link.
type runtimeUp struct {
	tasks map[string]*events.Observed
	at    *events.Instant // when the listing of the tasks began
	seq   uint64
}

type runtimeDown struct{ seq uint64 }

// shutdown asks root to stop all services; hurry kills what has not stopped yet.
type shutdown struct{ hurry bool }

// reload tells root what the files say now.
type reload struct {
	desired Desired
	reply   chan<- []Change // room for one
}

// reshape gives a service its changed file or configuration.
type reshape struct {
	file   *spec.Service
	config *spec.Config
	cause  uint64 // record of the reading
}

// reject tells a service that its changed file has problems, and so does not count.
type reject struct {
	rejected *events.SpecRejected
	cause    uint64 // record of the reading
}

// cycle tells a service that it waits for itself by way of others; an empty path, that it no longer does.
type cycle struct {
	path  []string
	cause uint64 // record of the reading
}

// hostSeen brings the state of a host service to its actor.
type hostSeen struct {
	up     bool
	detail string
}

// takeSnapshots asks root that every service record its whole state, takeSnapshot asks one service; done is called once.
type takeSnapshots struct{ done func() }

type takeSnapshot struct{ done func() }
