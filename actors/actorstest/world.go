package actorstest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// World is a whole system in virtual time, with everything around it. It must be made and used in a testing/synctest
// bubble, by one goroutine. All that is left to chance is up to its seed: the same seed gives the same trace.
//
// After each step it judges what was done; the first thing that must not be ends the test, with seed and trace.
type World struct {
	T       testing.TB
	System  *actors.System // of the present run of the daemon; nil between two
	Runtime *FakeRuntime
	Journal *Journal
	Watcher *Watcher
	Prober  *FakeProber
	Clock   *Clock
	BootID  string
	Fatals  []string // what Fatal was called with
	Random  *rand.Rand

	Prompt       bool // calls to the runtime take no time worth mentioning, and nothing else is late
	FatalAllowed bool

	// Config lets a test change how the next run of the daemon is configured.
	Config func(config *actors.Config)
	// Plant puts a bug between every run of the daemon and its ports: the judges must find it.
	Plant func(config *actors.Config)

	seed      uint64
	trace     *Trace
	audit     *audit
	mailboxes *Mailboxes
	ids       []string // every service there ever was
	files     []*spec.Service
	runs      int
	presses   []*Press
	wake      chan struct{} // room for one: something may have changed
	crashed   bool          // the daemon of this run has died; its actors do not know yet
	alive     context.Context
	end       context.CancelFunc // of alive
	given     bool               // up: nothing is judged any more
	tally     *Tally
}

// NewWorld makes a world with a runtime that is connected, and no daemon.
func NewWorld(t testing.TB, seed uint64) *World {
	w := &World{
		T: t, seed: seed, trace: newTrace(), audit: newAudit(), Journal: NewJournal(), Clock: newClock(), BootID: "boot-1",
		Random: rand.New(rand.NewPCG(seed, 0)), wake: make(chan struct{}, 1), tally: newTally(),
	}
	w.Watcher, w.Prober = newWatcher(w.trace), NewFakeProber()
	w.Watcher.began = func() { w.audit.effect("a watch began") }
	w.Clock.armed = func() { w.audit.effect("a timer was armed") }
	w.Prober.pause = func(task service.Task) <-chan time.Time {
		return time.After(w.delay(Call{Method: "Health", ID: task.ID, Attempt: task.Attempt}))
	}
	w.Runtime = NewFakeRuntime(w.delay, w.Clock.Now)
	w.Runtime.Connect()
	w.audit.runtime = w.Runtime

	w.Journal.hooks.died = func() { w.die("in an append, " + string(w.Journal.boundary)) }
	w.Journal.hooks.before = func(decision events.Decision) {
		w.audit.before(decision)
		w.commit()
	}
	w.Journal.hooks.after = func(decision events.Decision, receipt events.Receipt) {
		w.noteAppend(decision, receipt)
		w.audit.after(decision, receipt, w.Journal.Degraded())
	}

	t.Cleanup(func() {
		if t.Failed() {
			w.GiveUp()

			return
		}

		if w.System != nil {
			w.Close()
		}

		w.Run(2 * time.Second) // protoactor's throttle of dead letters lives for a second
	})

	return w
}

// Calm says that no trouble is to come any more: what a health check said long ago, and comes again, would stand for ever.
func (w *World) Calm() {
	w.mailboxes.mu.Lock()
	defer w.mailboxes.mu.Unlock()

	w.mailboxes.calm = true
}

// Mute keeps no trace, to be faster: what goes wrong goes wrong again. It must be called before anything happens.
func (w *World) Mute() { w.trace.muted = true }

// commit lets some appends take their time, and the one that hangs so long that the journal gives up on the disk.
func (w *World) commit() {
	switch {
	case w.Journal.hangs():
		w.tally.add("append that hangs")
		<-time.After(w.Clock.until(time.Second, slotCalls-1))
		w.Journal.Degrade()
	case !w.Prompt && w.Random.IntN(20) == 0:
		w.tally.add("slow append")
		<-time.After(w.Clock.until(time.Duration(w.Random.IntN(1000))*time.Microsecond, slotCalls-1))
	}
}

func (w *World) noteAppend(decision events.Decision, receipt events.Receipt) {
	if w.trace.muted {
		return
	}

	var kinds []string
	for _, record := range receipt.Records {
		kinds = append(kinds, strings.TrimSpace(fmt.Sprintf("%s %s", record.Kind, record.Message)))
	}

	w.trace.note("%s %q from %d: %s", receipt.Outcome, decision.Service, receipt.Last(), strings.Join(kinds, "; "))
}

// Boot starts a daemon with these services.
func (w *World) Boot(files ...*spec.Service) {
	w.T.Helper()

	w.runs++
	w.files = files
	w.crashed = false
	w.alive, w.end = context.WithCancel(w.T.Context())
	w.Journal.revive(w.BootID)
	w.trace.note("boot %d of %s with %d services", w.runs, w.BootID, len(files))

	var ids []string
	for _, file := range files {
		ids = append(ids, file.ID())

		if !slices.Contains(w.ids, file.ID()) {
			w.ids = append(w.ids, file.ID())
		}
	}

	w.audit.boot(w.runs, w.Journal.Records(), ids)
	w.checkDurable()
	w.mailboxes = newMailboxes(w.Random, w.noteDelivery, w.rouse)

	w.mailboxes.echo = !w.Prompt
	w.mailboxes.echoed = func(message any) { w.tally.add("late " + reflect.TypeOf(message).Name() + " again") }

	config := actors.Config{
		Journal: w.Journal, Runtime: &port{world: w, fake: w.Runtime, run: w.runs}, Watcher: w.Watcher, Clock: w.Clock,
		Logger:  slog.New(slog.NewTextHandler(logTrace{w.trace}, &slog.HandlerOptions{ReplaceAttr: steadyLog})),
		Desired: actors.Desired{Services: files}, Prober: w.Prober, BootID: w.BootID, Version: "1.0", PID: int32(w.runs), Key: []byte("key"),
		Mailbox: w.mailboxes.Mailbox, Fatal: w.fatal,
	}
	if w.Config != nil {
		w.Config(&config)
	}

	if w.Plant != nil {
		w.Plant(&config)
	}

	system, err := actors.Start(config)
	if err != nil {
		w.T.Fatal(err)
	}

	w.System = system
}

// Reload tells the system what the files say now.
func (w *World) Reload(desired actors.Desired) []actors.Change {
	w.T.Helper()

	for _, file := range desired.Services {
		if !slices.Contains(w.ids, file.ID()) {
			w.ids = append(w.ids, file.ID())
		}
	}

	w.trace.note("reload with %d services, %d configurations", len(desired.Services), len(desired.Configs))

	var changes []actors.Change

	w.Do(func() {
		var err error
		if changes, err = w.System.Reload(w.alive, desired); err != nil && w.alive.Err() == nil {
			w.T.Error(err)
		}
	})

	return changes
}

func (w *World) noteDelivery(name string, message any) {
	w.tally.step()

	if !w.trace.muted { // to describe it takes longer than to deliver it
		w.trace.note("deliver %s: %s", name, describe(message))
	}

	if id, ok := strings.CutPrefix(name, "root/"); ok {
		w.audit.delivered(id, message)
		w.foresee(id, message)
	}
}

func (w *World) fatal(reason any) {
	w.trace.note("fatal: %v", reason)
	w.Fatals = append(w.Fatals, fmt.Sprint(reason))

	if !w.FatalAllowed {
		w.audit.mu.Lock()
		defer w.audit.mu.Unlock()

		w.audit.violate("fatal: %v", reason)
	}
}

// logTrace puts what the system logs into the trace.
type logTrace struct{ trace *Trace }

func (l logTrace) Write(line []byte) (int, error) {
	if l.trace.muted {
		return len(line), nil
	}

	l.trace.noteLoose("log %s", strings.TrimSpace(string(line)))

	return len(line), nil
}

// steadyLog drops what differs from run to run.
func steadyLog(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey || attr.Key == "stack" {
		return slog.Attr{}
	}

	return attr
}

// Close ends the daemon in good order; the services run on.
func (w *World) Close() {
	w.T.Helper()
	w.trace.note("close")
	w.Do(w.System.Close)
	w.gone()
}

// Crash kills the daemon between two steps: messages, calls and what was only buffered are lost.
func (w *World) Crash() {
	w.T.Helper()

	if !w.crashed {
		w.die("between two steps")
	}

	w.trace.note("%d records lost", w.Journal.crash())
	w.Do(w.System.Close)
	w.gone()
}

// ArmCrash lets the daemon die in an append: the next one for 1. A test has to look at Crashed then, and to call Crash.
func (w *World) ArmCrash(appends int, boundary Boundary) { w.Journal.arm(appends, boundary) }

// Disarm takes an ArmCrash back that has not come to pass.
func (w *World) Disarm() { w.Journal.arm(0, "") }

// Crashed tells whether the daemon has died and Crash was not called yet.
func (w *World) Crashed() bool { return w.crashed }

// Alive is a context that ends with this run of the daemon: what asks it a question must not wait for ever.
func (w *World) Alive() context.Context { return w.alive }

// die: from now on nothing that the daemon does has any effect. Its actors, which cannot be killed, do not notice.
func (w *World) die(moment string) {
	w.trace.note("the daemon dies %s", moment)
	w.tally.add("crash " + moment)
	w.crashed = true
	w.end()
	w.Journal.kill()
	w.mailboxes.crash()

	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	w.audit.run, w.audit.appending = -1, nil
}

// dead tells whether a run of the daemon is over.
func (w *World) dead(run int) bool {
	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	return w.audit.run != run
}

// GiveUp ends everything after something happened that must not; nothing is judged any more.
func (w *World) GiveUp() {
	w.given = true

	if w.System != nil {
		w.Crash()
	}

	w.Run(2 * time.Minute) // persons wait a minute for their answer
}

// gone waits for what the container runtime goes on with by itself.
func (w *World) gone() {
	w.T.Helper()
	w.Until(time.Hour, "no call of the last daemon is under way", func() bool {
		w.audit.mu.Lock()
		defer w.audit.mu.Unlock()

		return len(w.audit.open) == 0
	})
	w.Clock.end()
	w.end()
	w.System, w.mailboxes, w.crashed = nil, nil, false
}
