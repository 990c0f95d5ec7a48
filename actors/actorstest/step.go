package actorstest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// Settle delivers all messages of this instant, and those that follow from them.
func (w *World) Settle() {
	w.T.Helper()

	for {
		synctest.Wait()
		w.trace.settle()
		w.judge()

		if w.mailboxes == nil || w.mailboxes.empty() {
			return
		}

		if !w.Prompt && w.Random.IntN(12) == 0 { // the machine is busy: time passes before the next message
			<-time.After(w.Clock.until(time.Duration(w.Random.IntN(4000))*time.Microsecond, slotCalls-2))
			synctest.Wait()
			w.trace.settle()
		}

		w.mailboxes.deliver()
	}
}

// judge ends the test where something happened that must not.
func (w *World) judge() {
	w.T.Helper()

	if w.given {
		return
	}

	w.audit.mu.Lock()
	violations := append(slices.Clone(w.audit.violations), w.Runtime.Violations()...)
	w.audit.violations = nil
	w.audit.mu.Unlock()

	if len(violations) > 0 {
		w.Fatalf("%s", strings.Join(violations, "\n"))
	}
}

// Fatalf ends the test with seed and trace.
func (w *World) Fatalf(format string, values ...any) {
	w.T.Helper()

	if w.given || w.T.Failed() { // it was said; the system is only being closed now
		return
	}

	w.trace.settle()

	problem := fmt.Sprintf(format, values...)
	w.T.Fatalf("seed %d: %s\nTRACE of seed %d:\n%s%s", w.seed, problem, w.seed, w.trace, w.scripts(problem))
}

// scripts are those of the services that a problem is about, or of all where it names none.
func (w *World) scripts(problem string) string {
	named := slices.DeleteFunc(w.IDs(), func(id string) bool { return !strings.Contains(problem, id) })
	if len(named) == 0 {
		named = w.IDs()
	}

	var out strings.Builder
	for _, id := range named {
		fmt.Fprintf(&out, "GOLDEN SCRIPT of %s in seed %d, for service/testdata/scripts:\n%s", id, w.seed, w.Script(id))
	}

	return out.String()
}

// Run lets time pass and delivers what comes, until the daemon dies.
func (w *World) Run(length time.Duration) {
	w.T.Helper()
	w.until(length, func() bool { return w.crashed })
}

// Until delivers what comes until something is so, and ends the test where it is not within the time.
func (w *World) Until(most time.Duration, what string, so func() bool) {
	w.T.Helper()

	if !w.until(most, so) {
		w.Fatalf("not within %s: %s", most, what)
	}
}

func (w *World) until(most time.Duration, so func() bool) bool {
	w.T.Helper()

	over := time.NewTimer(w.Clock.until(most, slotCalls-3))
	defer over.Stop()

	for {
		w.Settle()

		if so() {
			return true
		}

		select {
		case <-w.wake:
		case <-over.C:
			w.Settle()

			return so()
		}
	}
}

// Do runs f, which may block, and delivers what comes until it returns.
func (w *World) Do(f func()) {
	w.T.Helper()

	var ended atomic.Bool

	go func() {
		f()
		ended.Store(true)
		w.rouse()
	}()

	w.Until(time.Hour, "a call returns", ended.Load)
}

// rouse has the present Until look again.
func (w *World) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
