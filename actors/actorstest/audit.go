package actorstest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// Secret must be part of every value that a service is given in confidence; it must never enter the journal.
const Secret = "hunter2"

// audit watches what a system does and remembers what it must not do.
type audit struct {
	mu         sync.Mutex
	violations []string
	runtime    *FakeRuntime
	run        int
	states     map[string]service.State   // fold of the journal
	facts      map[string]map[string]bool // by service and condition: the last fact that was delivered
	happened   map[happening]int          // in this run, acknowledged by the journal
	open       map[string]int             // calls under way, by what they are
	appending  *events.Decision           // what is being appended; nil between two appends
	next       uint64
	orphans    map[string]bool // ids that have no file in this run
	expected   map[string]*expectation
	damaged    bool // records were lost that should not be: what follows from the history may differ
}

// happening is an event of one attempt.
type happening struct {
	id      string
	attempt uint64
	kind    string
}

func newAudit() *audit { return &audit{open: make(map[string]int)} }

// boot begins another run of the daemon on what the journal has.
func (a *audit) boot(run int, records []events.Record, files []string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.run, a.appending, a.next = run, nil, 1
	a.states, a.expected = make(map[string]service.State), make(map[string]*expectation)
	a.facts, a.happened = make(map[string]map[string]bool), make(map[happening]int)

	for _, record := range records {
		a.next = record.Seq + 1
		a.fold(record.Service, record.Command, record.Event, record.BootNS)
	}

	a.orphans = make(map[string]bool)
	for id := range a.states {
		a.orphans[id] = !slices.Contains(files, id)
	}
}

// fold follows one record of a service.
func (a *audit) fold(id string, command *events.Command, event *events.Event, at int64) {
	state, known := a.states[id]
	if !known {
		state = service.New(id)
		a.expected[id] = new(expectation)
	}

	if command != nil {
		a.expected[id].command(command)
	}

	if event == nil {
		return
	}

	problem := a.expected[id].event(state.Name, state.Lifecycle, state.BootID, event, at)
	if problem != "" && !a.damaged {
		a.violate("%s of %s: %s", event.KindName(), id, problem)
	}

	a.states[id] = service.Apply(state, event)
}

func (a *audit) violate(format string, values ...any) {
	a.violations = append(a.violations, fmt.Sprintf(format, values...))
}

// delivered notes what a service is told about a condition.
func (a *audit) delivered(id string, message any) {
	key, met, ok := observation(message)
	if !ok {
		return
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	if a.facts[id] == nil {
		a.facts[id] = make(map[string]bool)
	}

	a.facts[id][key] = met
}

// effect is called for what only an appended decision may lead to.
func (a *audit) effect(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.appending != nil {
		a.violate("%s before Append returned", what)
	}
}

func (a *audit) before(decision events.Decision) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.run >= 0 {
		a.appending = &decision
	}
}

// after judges a decision: it must follow from the fold of the journal and nothing else.
func (a *audit) after(decision events.Decision, receipt events.Receipt, degraded bool) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.appending = nil

	if a.run < 0 { // it has crashed: nothing is written any more
		return
	}

	if receipt.Outcome != events.Recorded && !degraded {
		a.violate("a decision of %s is only buffered", decision.Service)
	}

	for _, record := range receipt.Records {
		if record.Seq != a.next {
			a.violate("record %d follows %d", record.Seq, a.next-1)
		}

		a.next = record.Seq + 1
	}

	a.judgeSecrecy(decision)

	id := decision.Service
	if id == "" || id == service.Runtime {
		return
	}

	a.judge(id, decision)
	a.judgeEnds(id, decision)
	a.fold(id, decision.Command, nil, 0)

	for _, entry := range decision.Entries {
		a.fold(id, nil, entry.Event, decision.At.GetBootNs())
		a.happened[happening{id, entry.Attempt, entry.Event.KindName()}]++

		if of, ok := attemptOf(entry.Event); ok && of != entry.Attempt {
			a.happened[happening{id, of, entry.Event.KindName()}]++
		}
	}
}

// judgeEnds: what is recorded of the end of a task is what the container runtime knows.
func (a *audit) judgeEnds(id string, decision events.Decision) {
	for _, entry := range decision.Entries {
		lost, exited := entry.Event.GetTaskLost(), entry.Event.GetTaskExited()

		if attempt, runs := a.runtime.Running()[id]; runs && lost != nil && attempt == lost.GetAttempt() {
			a.violate("%s attempt %d counts as lost, and it runs", id, attempt)
		}

		if exited == nil {
			continue
		}

		ended := a.runtime.exited(service.Task{ID: id, Attempt: exited.GetAttempt()})
		if exited.GetExit().GetKnown() && !proto.Equal(exited.GetExit(), ended) {
			a.violate("%s attempt %d is recorded as %v, it ended as %v", id, exited.GetAttempt(), exited.GetExit(), ended)
		}
	}
}

// judgeSecrecy: values of the environment and contents of files are nobody's business.
func (a *audit) judgeSecrecy(decision events.Decision) {
	messages := []proto.Message{decision.Command}
	for _, entry := range decision.Entries {
		messages = append(messages, entry.Event)

		if strings.Contains(entry.Message, Secret) {
			a.violate("a secret is in the journal: %s", entry.Message)
		}
	}

	for _, message := range messages {
		if content, err := proto.Marshal(message); err != nil || bytes.Contains(content, []byte(Secret)) {
			a.violate("a secret is in the journal, or what cannot be read (%v): %v", err, message)
		}
	}
}

func (a *audit) judge(id string, decision events.Decision) {
	state, known := a.states[id]
	if !known {
		state = service.New(id)
	}

	if decision.Command == nil {
		for _, entry := range decision.Entries {
			snapshot := entry.Event.GetSnapshot() // with what only the view keeps
			if snapshot != nil && !service.Apply(service.New(id), entry.Event).Equal(state) {
				a.violate("the state of %s is %v, the journal says %v", id, snapshot, state.Snapshot())
			}
		}

		return
	}

	// A loss of output is found out when the next attempt may wait already.
	lost := decision.Command.GetReportOutputLost() != nil
	if of, ok := attemptOf(decision.Command); ok && of != state.Attempt && (!lost || of > state.Attempt) {
		a.violate("%s of %s is of attempt %d, not of %d, and changed something", decision.Command.KindName(), id, of, state.Attempt)
	}

	step, err := service.Take(state, decision.Command, decision.Cause)
	if err != nil || !slices.EqualFunc(step.Decision.Entries, decision.Entries, sameEntry) {
		a.violate("%s of %s cannot be decided again: %v, %v; was %v", decision.Command.KindName(), id, step.Decision.Entries, err, decision.Entries)
	}
}

func sameEntry(a, b events.Entry) bool {
	return proto.Equal(a.Event, b.Event) && a.State == b.State && a.Attempt == b.Attempt && a.Message == b.Message
}

// attemptOf returns the attempt that a command, or an event, is about. A recovery is about none: it compares.
func attemptOf(message interface {
	proto.Message
	KindName() string
}) (attempt uint64, ok bool) {
	reflected := message.ProtoReflect()

	field := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("kind"))
	if field == nil {
		return 0, false
	}

	number := field.Message().Fields().ByName("attempt")
	if number == nil {
		return 0, false
	}

	return reflected.Get(field).Message().Get(number).Uint(), true
}

// allows lists the events of which one must be in the journal, for the same attempt, before a call is made.
var allows = map[string][]string{
	"Prepare":      {"PreparationStarted"},
	"Start":        {"RunnerCreated"},
	"Wait":         {"TaskStarted", "TaskAdopted", "Recovered"},
	"Signal":       {"SignalSent", "Recovered", "ConfigDelivered"},
	"Kill":         {"SignalSent", "Recovered"},
	"UpdateConfig": {"ConfigDelivered"},
	"Delete":       {"StartFailed", "TaskExited", "TaskLost", "TaskDiscarded", "ServiceQuarantined"},
}

// call judges a call at the moment when it is made.
func (a *audit) call(call Call, run int) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.open[call.String()]++

	if run != a.run || call.Method == "Observe" || call.Method == "Delete" && a.orphans[call.ID] {
		return
	}

	// The signal that tells of a changed configuration is sent by the call that delivered it, whenever that returns.
	follows := call.Method == "Signal" && a.happened[happening{call.ID, call.Attempt, "ConfigDelivered"}] > 0
	if a.appending != nil && !follows && asksFor(*a.appending, call) {
		a.violate("%s before Append returned", call)
	}

	var times int
	for _, kind := range allows[call.Method] {
		times += a.happened[happening{call.ID, call.Attempt, kind}]
	}

	if times == 0 {
		a.violate("%s without an event that asks for it", call)
	}

	switch call.Method {
	case "Prepare", "Start":
		a.happened[happening{call.ID, call.Attempt, call.Method}]++
		if a.happened[happening{call.ID, call.Attempt, call.Method}] > 1 {
			a.violate("%s twice", call)
		}
	}

	if call.Method == "Start" {
		a.judgeStart(call)
	}
}

// asksFor tells whether the decision leads to the call. Calls of earlier decisions may begin while a later one is appended.
func asksFor(decision events.Decision, call Call) bool {
	return decision.Service == call.ID && slices.ContainsFunc(decision.Entries, func(entry events.Entry) bool {
		return entry.Attempt == call.Attempt && slices.Contains(allows[call.Method], entry.Event.KindName())
	})
}

func (a *audit) judgeStart(call Call) {
	state := a.states[call.ID]
	if state.Attempt != call.Attempt || state.Name != events.StatePreparing || state.DesiredStopped && !a.damaged {
		a.violate("%s while %s, attempt %d, stopped %t", call, state.Name, state.Attempt, state.DesiredStopped)
	}

	for _, key := range state.Lifecycle.GetDepends() {
		if !a.facts[call.ID][key] {
			a.violate("%s, the last it was told is that %s is not met", call, key)
		}
	}
}

func (a *audit) returned(call Call) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.open[call.String()]--; a.open[call.String()] == 0 {
		delete(a.open, call.String())
	}
}
