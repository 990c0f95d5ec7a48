package actorstest

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// Mailboxes delivers the messages of all actors of one system, one at a time: which actor is next is up to the seed,
// among those that have a message. As in protoactor's own mailbox, each actor gets its messages in the order in which
// they came, and those of the system first.
type Mailboxes struct {
	random    *rand.Rand
	delivered func(name string, message any)
	posted    func() // called when a message came
	echoed    func(message any)

	mu      sync.Mutex
	boxes   []*mailbox // in the order in which their actors were spawned
	crashed bool
	past    []late
	echo    bool // some messages come a second time, much later
	calm    bool // but none of health, which nobody would set right any more
}

// late is a message that may come again: a timer, or an exit, of long ago.
type late struct {
	box     *mailbox
	message any
}

// mostLate is how many messages are remembered.
const mostLate = 16

func newMailboxes(random *rand.Rand, delivered func(name string, message any), posted func()) *Mailboxes {
	return &Mailboxes{random: random, delivered: delivered, posted: posted, echoed: func(any) {}}
}

// Mailbox is the factory that actors.Config asks for.
func (m *Mailboxes) Mailbox() actor.Mailbox {
	box := &mailbox{all: m}

	m.mu.Lock()
	defer m.mu.Unlock()

	m.boxes = append(m.boxes, box)

	return box
}

// crash drops every message that is and will be: from now on only the system's reach their actor, so that it ends.
func (m *Mailboxes) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.crashed = true
	for _, box := range m.boxes {
		box.user = nil
	}
}

// deliver delivers one message and tells whether there was one.
func (m *Mailboxes) deliver() bool {
	box, message, system := m.take()
	if box == nil {
		return false
	}

	m.delivered(box.name, message)
	box.invoke(message, system)

	return true
}

func (m *Mailboxes) take() (box *mailbox, message any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()

	ready := make([]*mailbox, 0, len(m.boxes))
	for _, box := range m.boxes {
		if box.ready() {
			ready = append(ready, box)
		}
	}

	if len(ready) == 0 {
		return nil, nil, false
	}

	if m.echo && len(m.past) > 0 && m.random.IntN(30) == 0 {
		if again := m.past[m.random.IntN(len(m.past))]; !m.calm || !saysHealth(again.message) {
			m.echoed(again.message)

			return again.box, again.message, false
		}
	}

	box = ready[m.random.IntN(len(ready))]
	if len(box.system) > 0 {
		message, box.system = box.system[0], box.system[1:]

		return box, message, true
	}

	message, box.user = box.user[0], box.user[1:]

	if mayComeLate(message) {
		m.past = append(m.past, late{box, message})
		m.past = m.past[max(0, len(m.past)-mostLate):]
	}

	return box, message, false
}

// empty tells whether no message waits.
func (m *Mailboxes) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return !slices.ContainsFunc(m.boxes, (*mailbox).ready)
}

// mailbox is that of one actor. Its fields are guarded by the lock of all.
type mailbox struct {
	all       *Mailboxes
	name      string
	invoker   actor.MessageInvoker
	system    []any
	user      []any
	suspended bool
}

var _ actor.Mailbox = (*mailbox)(nil)

func (b *mailbox) ready() bool {
	return b.invoker != nil && (len(b.system) > 0 || !b.suspended && len(b.user) > 0)
}

// PostUserMessage queues a message.
func (b *mailbox) PostUserMessage(message any) {
	b.post(func() {
		if !b.all.crashed {
			b.user = append(b.user, message)
		}
	})
}

// PostSystemMessage queues a message that overtakes those of users.
func (b *mailbox) PostSystemMessage(message any) {
	b.post(func() { b.system = append(b.system, message) })
}

func (b *mailbox) post(enqueue func()) {
	b.all.mu.Lock()
	enqueue()
	b.all.mu.Unlock()
	b.all.posted()
}

// RegisterHandlers learns whose mailbox it is.
func (b *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()

	b.invoker = invoker
	if named, ok := invoker.(interface{ Self() *actor.PID }); ok {
		b.name = named.Self().GetId()
	}
}

// Start has nothing to do.
func (b *mailbox) Start() {}

// UserMessageCount returns how many messages wait.
func (b *mailbox) UserMessageCount() int {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()

	return len(b.user)
}

// invoke hands a message to the actor as protoactor's own mailbox does, panics included.
func (b *mailbox) invoke(message any, system bool) {
	defer func() {
		if reason := recover(); reason != nil {
			b.invoker.EscalateFailure(reason, message)
		}
	}()

	if !system {
		b.invoker.InvokeUserMessage(message)

		return
	}

	switch message.(type) {
	case *actor.SuspendMailbox:
		b.suspend(true)
	case *actor.ResumeMailbox:
		b.suspend(false)
	default:
		b.invoker.InvokeSystemMessage(message)
	}
}

func (b *mailbox) suspend(suspended bool) {
	b.all.mu.Lock()
	defer b.all.mu.Unlock()

	b.suspended = suspended
}
