package actorstest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// firstPress is the PID of the first person's command; each has its own, so that its records can be found.
const firstPress = 100

// foresee finds out whether a person's command that is being delivered will change anything.
func (w *World) foresee(id string, message any) {
	number := int(originPID(message)) - firstPress
	if number < 0 || number >= len(w.presses) {
		return
	}

	press := w.presses[number]

	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	step, _ := service.Take(w.audit.states[id], events.NewCommand(w.Clock.Now(), nil, press.Order), 0)
	press.idle = len(step.Decision.Entries) == 0
}

// Press is a person's command.
type Press struct {
	ID    string
	Order events.Order
	Seq   uint64
	Err   error
	pid   int32
	done  atomic.Bool

	durable bool // it was acknowledged while the journal was not degraded, so it must survive
	idle    bool // it was decided that it changes nothing
	checked bool
}

// Press gives a person's command and does not wait for its answer.
func (w *World) Press(id string, order events.Order) *Press {
	press := &Press{ID: id, Order: order, pid: int32(firstPress + len(w.presses))}
	w.presses = append(w.presses, press)
	system, run := w.System, w.runs
	w.trace.note("press %s %s (PID %d)", id, describe(order), press.pid)

	go func() {
		ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
		defer cancel()

		press.Seq, press.Err = system.Command(ctx, id, order, &events.Origin{Uid: 1000, Pid: press.pid, Via: "cli"})
		if press.Err == nil && w.dead(run) {
			press.Err = errors.New("the daemon died before it answered")
		}

		w.acknowledge(press)
		press.done.Store(true)

		w.rouse()
	}()

	synctest.Wait()

	return press
}

// acknowledge judges an answer: what a person was told is done must be safe.
func (w *World) acknowledge(press *Press) {
	if press.Err != nil || w.Journal.Degraded() {
		return
	}

	press.durable = true

	if synced := w.Journal.Synced(); synced < press.Seq {
		w.audit.mu.Lock()
		defer w.audit.mu.Unlock()

		w.audit.violate("%s of %s was acknowledged as %d, only %d is synced", describe(press.Order), press.ID, press.Seq, synced)
	}
}

// checkDurable looks for every acknowledged command in the journal that the next daemon finds.
func (w *World) checkDurable() {
	w.T.Helper()

	there := make(map[int32]bool)
	for _, record := range w.Journal.Records() {
		there[record.Origin.GetPid()] = true
	}

	for _, press := range w.presses {
		if press.done.Load() && press.durable && !press.idle && !there[press.pid] && press.Seq > w.Journal.forgotten {
			w.Fatalf("%s of %s was acknowledged as %d and is lost", describe(press.Order), press.ID, press.Seq)
		}
	}
}

// Excuse tells that the journal was damaged: what was acknowledged so far may be lost.
func (w *World) Excuse() {
	w.trace.note("the journal is damaged")

	for _, press := range w.presses {
		press.durable, press.checked = false, true
	}

	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	w.audit.damaged = true
}

// Damaged tells whether Excuse was called.
func (w *World) Damaged() bool {
	w.audit.mu.Lock()
	defer w.audit.mu.Unlock()

	return w.audit.damaged
}

// Command gives a person's command and returns its answer.
func (w *World) Command(id string, order events.Order) (uint64, error) {
	w.T.Helper()

	press := w.Press(id, order)
	w.Until(2*time.Minute, "the command is answered", func() bool { return press.done.Load() })

	return press.Seq, press.Err
}

// Presses returns every command that a person gave.
func (w *World) Presses() []*Press { return w.presses }

// CheckPresses looks for every command that was carried out in the journal.
func (w *World) CheckPresses() {
	w.T.Helper()

	last := make(map[int32]uint64)
	kinds := make(map[int32]string)

	for _, record := range w.Journal.Records() {
		if record.Origin.GetVia() == "cli" {
			if record.Command != nil {
				kinds[record.Origin.GetPid()] = record.Kind
			}

			last[record.Origin.GetPid()] = record.Seq
		}
	}

	for _, press := range w.presses {
		if !press.done.Load() || press.Err != nil || press.checked || press.Seq <= w.Journal.forgotten {
			continue
		}

		press.checked = true

		if seq, found := last[press.pid]; found && seq != press.Seq || !found && press.durable && !press.idle {
			w.Fatalf("%s of %s was acknowledged as %d, the journal has it as %d (%s)", describe(press.Order), press.ID, press.Seq, seq, kinds[press.pid])
		}
	}
}
