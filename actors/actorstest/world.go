package actorstest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
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

	seed      uint64
	trace     *Trace
	audit     *audit
	mailboxes *Mailboxes
	ids       []string // every service there ever was
	files     []*spec.Service
	runs      int
	presses   []*Press
	wake      chan struct{} // room for one: something may have changed
}

// NewWorld makes a world with a runtime that is connected, and no daemon.
func NewWorld(t testing.TB, seed uint64) *World {
	w := &World{
		T: t, seed: seed, trace: newTrace(), audit: newAudit(), Journal: NewJournal(), Clock: newClock(), BootID: "boot-1",
		Random: rand.New(rand.NewPCG(seed, 0)), wake: make(chan struct{}, 1),
	}
	w.Watcher, w.Prober = newWatcher(w.trace), NewFakeProber()
	w.Watcher.began = func() { w.audit.effect("a watch began") }
	w.Clock.armed = func() { w.audit.effect("a timer was armed") }
	w.Prober.pause = func(task service.Task) <-chan time.Time {
		return time.After(w.delay(Call{Method: "Health", ID: task.ID, Attempt: task.Attempt}))
	}
	w.Runtime = NewFakeRuntime(w.delay, w.Clock.Now)
	w.Runtime.Connect()

	w.Journal.hooks.before = func(events.Decision) {
		w.audit.before()
		w.commit()
	}
	w.Journal.hooks.after = func(decision events.Decision, receipt events.Receipt) {
		w.noteAppend(decision, receipt)
		w.audit.after(decision, receipt, w.Journal.Degraded())
	}

	t.Cleanup(func() {
		if w.System != nil && !t.Failed() { // what failed to close would not close a second time
			w.Close()
		}

		w.Run(2 * time.Second) // protoactor's throttle of dead letters lives for a second
	})

	return w
}

// commit lets some appends take their time.
func (w *World) commit() {
	if !w.Prompt && w.Random.IntN(20) == 0 {
		<-time.After(w.Clock.until(time.Duration(w.Random.IntN(1000))*time.Microsecond, slotCalls-1))
	}
}

func (w *World) noteAppend(decision events.Decision, receipt events.Receipt) {
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
	w.Journal.bootID = w.BootID
	w.trace.note("boot %d of %s with %d services", w.runs, w.BootID, len(files))

	var ids []string
	for _, file := range files {
		ids = append(ids, file.ID())

		if !slices.Contains(w.ids, file.ID()) {
			w.ids = append(w.ids, file.ID())
		}
	}

	w.audit.boot(w.runs, w.Journal.Records(), ids)
	w.mailboxes = newMailboxes(w.Random, w.noteDelivery, w.rouse)

	w.mailboxes.echo = !w.Prompt

	config := actors.Config{
		Journal: w.Journal, Runtime: &port{world: w, fake: w.Runtime, run: w.runs}, Watcher: w.Watcher, Clock: w.Clock,
		Logger:  slog.New(slog.NewTextHandler(logTrace{w.trace}, &slog.HandlerOptions{ReplaceAttr: steadyLog})),
		Desired: actors.Desired{Services: files}, Prober: w.Prober, BootID: w.BootID, Version: "1.0", PID: int32(w.runs), Key: []byte("key"),
		Mailbox: w.mailboxes.Mailbox, Fatal: w.fatal,
	}
	if w.Config != nil {
		w.Config(&config)
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
		if changes, err = w.System.Reload(w.T.Context(), desired); err != nil {
			w.T.Error(err)
		}
	})

	return changes
}

func (w *World) noteDelivery(name string, message any) {
	w.trace.note("deliver %s: %s", name, describe(message))

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
	w.mailboxes.crash()
	w.trace.note("crash, %d records lost", w.Journal.crash())
	w.audit.mu.Lock()
	w.audit.run = -1
	w.audit.mu.Unlock()

	// An actor that was ending anyway may still end, which its parent would follow: a process that is dead writes nothing.
	written := w.Journal.Records()
	w.Do(w.System.Close)
	w.Journal.rewind(written)
	w.gone()
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
	w.System, w.mailboxes = nil, nil
}
