package service_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

const timeKey = "time"

// world is a small model of everything outside the machine: the journal, the container runtime, the link to it, timers,
// watchers and mailboxes. It answers effects late, in any order across senders, and twice.
type world struct {
	t    *rapid.T
	boot int
	now  int64
	files

	state   service.State
	journal []service.Step // every decision that was recorded

	containers []*container
	calls      []call // to the runtime; it serves one id's calls in order
	monitor    uint64 // attempt whose health is checked, 0 for none
	waits      []uint64
	timers     []service.ArmTimer
	mail       map[string][]*events.Command // by sender: each one's messages arrive in order
	sent       int
	nextPID    uint32

	linked   bool
	slow     bool  // what the runtime showed arrives after everything else
	listed   int64 // when the link came up
	facts    map[string]bool
	heard    map[string]bool // the last fact about each condition that was delivered
	stopping bool            // the daemon goes down
	desired  string          // what a person said last in this boot, "" where that is not known for certain
}

type container struct {
	attempt    uint64
	hash, boot string
	pid        uint32
	status     events.TaskStatus
	exit       *service.Exit
	asked      bool // to end
	started    int64
	has        string // hash with its present configuration; hash is its label
	doubtful   bool   // the journal lost what was done to it
}

type call struct {
	kind      string // prepare, start, update, delete
	attempt   uint64
	hash      string // of what should run, when the call was made
	delivery  uint64 // for update
	cancelled bool
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, files: drawFiles(t), now: int64(time.Second), state: service.New(testID),
		facts: map[string]bool{addedKey: true}, heard: map[string]bool{}, nextPID: 100,
	}
	w.daemon()

	return w
}

func (w *world) bootID() string { return fmt.Sprintf("boot-%d", w.boot) }

// take gives the machine one command, checks the rules and hands out the effects.
func (w *world) take(command *events.Command) {
	if !w.alive {
		return // nobody is there to receive it
	}

	before := w.state

	step, err := service.Take(before, command, 0)
	if err != nil {
		w.t.Fatalf("%s: %v", command.KindName(), err)
	}

	w.t.Logf("%s: %s -> %s#%d %v", command, kinds(step), step.State.Name, step.State.Attempt, step.Effects)

	if broken := violation(before, command, step); broken != nil {
		w.t.Fatalf("%s in %s: %v", command.KindName(), before.Name, broken)
	}

	w.hear(command, step)
	w.checkTruth(before, command, step)

	if len(step.Decision.Entries) > 0 {
		if err := replayed(before, step); err != nil {
			w.t.Fatal(err)
		}

		w.journal = append(w.journal, step)
	}

	w.state = step.State
	for _, effect := range step.Effects {
		w.perform(effect)
	}

	if w.state.Name != events.StateRunning || !w.state.Lifecycle.GetHealthCheck() {
		w.monitor = 0
	}

	w.askAgain(before)
}

// checkTruth: a task that runs is never called lost, what bears another attempt changes nothing, and a task starts when
// the last that was heard of every condition is that it holds.
func (w *world) checkTruth(before service.State, command *events.Command, step service.Step) {
	if attempt, bears := attemptOf(command); bears && attempt != before.Attempt && len(step.Decision.Entries) > 0 {
		w.t.Fatalf("%s of attempt %d in attempt %d: %s", command.KindName(), attempt, before.Attempt, kinds(step))
	}

	for _, effect := range step.Effects {
		_, prepares := effect.(service.PrepareTask)
		_, starts := effect.(service.StartTask)

		for _, key := range step.State.Lifecycle.GetDepends() {
			if (prepares || starts) && !w.heard[key] {
				w.t.Fatalf("%T, although the last that was heard of %s is that it does not hold", effect, key)
			}
		}
	}

	for _, entry := range step.Decision.Entries {
		for _, c := range w.containers {
			if entry.Event.GetTaskLost() != nil && c.pid == before.PID && c.status == events.TaskStatus_TASK_STATUS_RUNNING {
				w.t.Fatalf("task %d runs, yet it is called lost", c.pid)
			}
		}
	}
}

func (w *world) order(order events.Order) *events.Command {
	return events.NewCommand(at(w.now), nil, order)
}

func (w *world) perform(effect service.Effect) {
	switch effect := effect.(type) {
	case service.WatchConditions:
		for _, key := range effect.Keys {
			w.mail[key] = nil
			w.tell(key)
		}
	case service.ArmTimer:
		w.timers = append(w.timers, effect)
	case service.PrepareTask:
		w.calls = append(w.calls, call{kind: "prepare", attempt: effect.Attempt, hash: events.TaskHash(w.state.Lifecycle)})
	case service.StartTask:
		w.calls = append(w.calls, call{kind: "start", attempt: effect.Attempt, hash: events.TaskHash(w.state.Lifecycle)})
	case service.UpdateConfig:
		w.calls = append(w.calls, call{
			kind: "update", attempt: effect.Attempt, delivery: effect.Delivery, hash: events.TaskHash(w.state.Lifecycle),
		})
	case service.MonitorHealth:
		w.monitor = effect.Attempt
	case service.DeleteTask:
		w.calls = append(w.calls, call{kind: "delete", attempt: effect.Attempt})
	case service.CancelStart:
		for i := range w.calls {
			w.calls[i].cancelled = w.calls[i].cancelled || w.calls[i].attempt == effect.Attempt && w.calls[i].kind != "update"
		}
	case service.AwaitExit:
		if w.linked {
			w.waits = append(w.waits, effect.Attempt)
		}
	case service.SignalTask:
		w.signal(effect.Attempt, false)
	case service.KillTask:
		w.signal(effect.Attempt, true)
	default:
		w.t.Fatalf("the model does not know %T", effect)
	}
}

func (w *world) signal(attempt uint64, kill bool) {
	for _, c := range w.containers {
		if w.linked && c.attempt == attempt && c.status == events.TaskStatus_TASK_STATUS_RUNNING {
			c.asked = true
			if kill {
				w.end(c, &service.Exit{Known: true, Code: 137, Signal: 9})
			}
		}
	}
}

func (w *world) end(c *container, exit *service.Exit) {
	exit.At = at(w.now)
	c.status, c.exit = events.TaskStatus_TASK_STATUS_EXITED, exit
}

// send puts a message into the machine's mailbox. Each outcome is sent by a goroutine of its own, so it may overtake.
func (w *world) send(sender string, command *events.Command) {
	if sender == "" {
		w.sent++
		sender = fmt.Sprintf("call-%06d", w.sent)
	}

	w.mail[sender] = append(w.mail[sender], command)
}

// tell sends the present fact about a condition.
func (w *world) tell(key string) {
	met := w.facts[key]
	if key == containerdKey {
		met = w.linked
	}

	w.send(key, w.order(&events.ObserveCondition{Key: key, Met: met, Text: key}))
}

// receive delivers one message of some sender.
func (w *world) receive(pick func(senders []string) string) bool {
	var senders []string

	for sender, waiting := range w.mail {
		if len(waiting) > 0 {
			senders = append(senders, sender)
		}
	}

	slices.Sort(senders)

	// Whoever lists the containers tells the service of them first, and only then that containerd is there.
	if len(w.mail["runtime"]) > 0 {
		senders = slices.DeleteFunc(senders, func(sender string) bool { return sender == containerdKey })
	}

	if w.slow && len(senders)+len(w.calls) > 1 {
		senders = slices.DeleteFunc(senders, func(sender string) bool { return sender == "runtime" })
	}

	if len(senders) == 0 {
		return false
	}

	sender := pick(senders)
	command := w.mail[sender][0]
	w.mail[sender] = w.mail[sender][1:]
	command.At = at(w.now)
	w.take(command)

	return true
}

// serve carries out the oldest call. Where the link is lost the caller sees a failure, whether or not it was done.
func (w *world) serve(fails, done bool) {
	if len(w.calls) == 0 {
		return
	}

	next := w.calls[0]
	w.calls = w.calls[1:]

	problem := ""
	if !w.linked {
		problem = "connection lost"
	} else if fails {
		problem = "it cannot be done"
	} else if next.cancelled && next.kind != "delete" {
		problem = "cancelled"
	}

	var report events.Order

	switch next.kind {
	case "delete":
		if w.linked || done {
			w.remove(func(c *container) bool { return c.attempt == next.attempt })
		}

		return
	case "prepare":
		if problem == "" && slices.ContainsFunc(w.containers, func(c *container) bool { return c.attempt > next.attempt }) {
			problem = "a container of a later attempt exists"
		}

		if problem == "" {
			w.remove(func(c *container) bool { return true })
		}

		report = &events.ReportPrepared{Attempt: next.attempt}
	case "start":
		var made *container
		if problem == "" || !w.linked && done && !next.cancelled {
			made = w.start(next)
		}

		report = &events.ReportStarted{Attempt: next.attempt, Pid: made.pidOrZero(), Container: testID}
	case "update":
		w.send("", w.order(w.update(next, problem, done)))

		return
	}

	if problem != "" {
		report = &events.ReportStartFailed{Attempt: next.attempt, Problem: problem}
	}

	w.send("", w.order(report))
}

func (c *container) pidOrZero() uint32 {
	if c == nil {
		return 0
	}

	return c.pid
}

// start makes a container. The machine promises that there is never a second one.
func (w *world) start(asked call) *container {
	if len(w.containers) > 0 {
		w.t.Fatalf("attempt %d is started beside %+v", asked.attempt, *w.containers[0])
	}

	w.nextPID++
	made := &container{
		attempt: asked.attempt, hash: asked.hash, has: asked.hash, boot: w.bootID(), pid: w.nextPID,
		status: events.TaskStatus_TASK_STATUS_RUNNING, started: w.now,
	}
	w.containers = append(w.containers, made)
	w.now++

	return made
}

func (w *world) remove(matches func(*container) bool) {
	w.containers = slices.DeleteFunc(w.containers, matches)
}

// reportExits answers the waits for tasks that have ended; one for a task that is gone ends with an unknown exit.
func (w *world) reportExits() bool {
	for i, attempt := range w.waits {
		exit := &service.Exit{}

		if found := slices.IndexFunc(w.containers, func(c *container) bool { return c.attempt == attempt }); found >= 0 {
			if w.containers[found].status != events.TaskStatus_TASK_STATUS_EXITED {
				continue
			}

			exit = w.containers[found].exit
		}

		w.waits = slices.Delete(w.waits, i, i+1)
		w.send("", w.order(&events.ReportExited{Attempt: attempt, Exit: exit}))

		return true
	}

	return false
}

func (w *world) fire(index int) {
	timer := w.timers[index]
	w.timers = slices.Delete(w.timers, index, index+1)
	w.now = max(w.now, timer.At)
	w.send("", w.order(&events.ElapseTimer{Attempt: timer.Attempt, Timer: timer.Timer, Key: timer.Key}))
}

// link establishes or loses the connection. When it is there, what the runtime shows is sent first.
func (w *world) link(up bool) {
	if w.linked == up {
		return
	}

	w.linked, w.waits = up, nil

	w.now++ // no two things that are told apart by their time happen at once

	if up {
		w.listed = w.now
		w.connect()
	}

	w.tell(containerdKey)
}

func (w *world) observe() *events.Observed {
	if len(w.containers) == 0 {
		return &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE, At: at(w.now)}
	}

	c := w.containers[0]

	return &events.Observed{
		Status: c.status, Attempt: c.attempt, SpecHash: c.hash, BootId: c.boot, Pid: c.pid, Container: testID, Exit: c.exit,
		Started: at(c.started), At: at(w.now),
	}
}

// daemon begins a run of the daemon from what the journal holds.
func (w *world) daemon() {
	for len(w.calls) > 0 { // whatever was under way is either done or never will be
		w.linked = false
		w.serve(false, rapid.Bool().Draw(w.t, "done before the daemon died"))
	}

	w.state = w.replay()
	w.waits, w.timers, w.mail, w.linked, w.stopping = nil, nil, map[string][]*events.Command{}, false, false
	w.alive, w.removing, w.monitor = false, false, 0

	if w.present {
		w.load(w.wanted)
	}
}

// replay folds the journal from its first event.
func (w *world) replay() service.State {
	state := service.New(testID)

	for _, step := range w.journal {
		for _, entry := range step.Decision.Entries {
			state = service.Apply(state, entry.Event)
		}
	}

	return state
}
