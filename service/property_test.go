package service_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// TestMain asks rapid for more than its default, unless somebody asked for another number.
func TestMain(m *testing.M) {
	flag.Parse()

	for name, value := range map[string]string{"rapid.checks": worlds, "rapid.steps": "60"} {
		if asked := flag.Lookup(name); asked.Value.String() != asked.DefValue {
			continue
		}

		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}

	os.Exit(m.Run())
}

// TestAgainstTheWorld drives the machine against a model of the world in which everything that can happen does happen in
// any order: there are never two tasks of one service, a stored journal gives the same state, and once the world calms
// down the service is as its person and its policy want it.
func TestAgainstTheWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(w.actions())
		w.settle()
		w.checkReplay()
		w.checkViews()
	})
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"go":        func(t *rapid.T) { w.advance(t) },
		"go2":       func(t *rapid.T) { w.advance(t) },
		"deliver":   func(t *rapid.T) { w.deliver(t) },
		"deliver2":  func(t *rapid.T) { w.deliver(t) },
		"deliver3":  func(t *rapid.T) { w.deliver(t) },
		"serve":     func(t *rapid.T) { w.serve(rapid.IntRange(0, 7).Draw(t, "fails") == 7, rapid.Bool().Draw(t, "done")) },
		"serve2":    func(t *rapid.T) { w.serve(false, true) },
		"exits":     func(*rapid.T) { w.reportExits() },
		"end":       func(t *rapid.T) { w.endTask(t) },
		"timer":     func(t *rapid.T) { w.fireAny(t) },
		"tick":      func(t *rapid.T) { w.now += rapid.Int64Range(1, 90_000_000_000).Draw(t, "nanoseconds") },
		"link":      func(t *rapid.T) { w.slow = rapid.Bool().Draw(t, "slow"); w.link(true) },
		"unlink":    func(t *rapid.T) { w.unlink(t) },
		"condition": func(t *rapid.T) { w.flip(t) },
		"change":    func(t *rapid.T) { w.change(t) },
		"change2":   func(t *rapid.T) { w.change(t) },
		"remove":    func(*rapid.T) { w.removeFile() },
		"add":       func(t *rapid.T) { w.addFile(t) },
		"unload":    func(*rapid.T) { w.unload() },
		"health":    func(t *rapid.T) { w.reportHealth(t) },
		"person":    func(t *rapid.T) { w.person(t) },
		"shutdown":  func(t *rapid.T) { w.shutdown(t) },
		"daemon":    func(t *rapid.T) { w.restartDaemon(t) },
		"":          func(t *rapid.T) { w.check(t) },
	}
}

// advance lets the world answer in order for a while, so that more than the first steps of a life are reached.
func (w *world) advance(t *rapid.T) {
	w.link(true)

	for range rapid.IntRange(1, 20).Draw(t, "answers") {
		w.answer()
	}
}

// deliver hands the machine one waiting message; the outcome of a call comes now and then twice.
func (w *world) deliver(t *rapid.T) {
	var again *events.Command

	w.receive(func(senders []string) string {
		sender := rapid.SampledFrom(senders).Draw(t, "sender")
		if strings.HasPrefix(sender, "call-") {
			again = w.mail[sender][0]
		}

		return sender
	})

	if again != nil && rapid.IntRange(0, 9).Draw(t, "twice") == 9 {
		w.send("", again)
	}
}

func (w *world) endTask(t *rapid.T) {
	exit := rapid.SampledFrom([]*service.Exit{
		{Known: true}, {Known: true, Code: 3}, {Known: true, Code: 139, Signal: 11}, {},
	}).Draw(t, "exit")

	for _, c := range w.containers {
		if c.status == events.TaskStatus_TASK_STATUS_RUNNING {
			w.end(c, &service.Exit{Known: exit.GetKnown(), Code: exit.GetCode(), Signal: exit.GetSignal()})
		}
	}
}

func (w *world) fireAny(t *rapid.T) {
	if len(w.timers) > 0 {
		w.fire(rapid.IntRange(0, len(w.timers)-1).Draw(t, "timer"))
	}
}

// unlink loses the connection; a runtime that was started anew may have forgotten what had ended.
func (w *world) unlink(t *rapid.T) {
	w.link(false)

	if rapid.IntRange(0, 3).Draw(t, "forgets") == 3 {
		w.remove(func(c *container) bool { return c.status == events.TaskStatus_TASK_STATUS_EXITED })
	}
}

// person gives one of the commands of a person; a daemon that goes down refuses them.
func (w *world) person(t *rapid.T) {
	if w.stopping || w.removing || !w.alive {
		return
	}

	switch verb := rapid.SampledFrom([]string{"start", "stop", "restart"}).Draw(t, "verb"); verb {
	case "start":
		w.desired = events.DesiredStarted
		w.take(w.order(&events.StartService{}))
	case "stop":
		w.desired = events.DesiredStopped
		w.take(w.order(&events.StopService{}))
	default:
		w.desired = events.DesiredStarted
		w.take(w.order(&events.RestartService{}))
	}
}

func (w *world) shutdown(t *rapid.T) {
	w.stopping = true
	w.take(w.order(&events.ShutdownService{Hurry: rapid.Bool().Draw(t, "hurry")}))
}

// restartDaemon kills the daemon and starts the next one: perhaps with another file, after a reboot, or with a journal
// whose last decisions, or all of them, never reached the disk.
func (w *world) restartDaemon(t *rapid.T) {
	if state := w.replay(); !state.Equal(w.state) {
		t.Fatalf("the journal gives another state:\n%+v\n%+v", state.Snapshot(), w.state.Snapshot())
	}

	switch rapid.IntRange(0, 7).Draw(t, "file") {
	case 0:
		w.present = !w.present
	case 1, 2, 3:
		w.edit(t)
	}

	switch rapid.IntRange(0, 9).Draw(t, "journal") {
	case 0:
		w.journal, w.desired = nil, ""
		w.doubt()
	case 1, 2:
		w.journal = w.journal[:rapid.IntRange(0, len(w.journal)).Draw(t, "kept")]
		w.desired = ""
		w.doubt()
	}

	if rapid.IntRange(0, 5).Draw(t, "reboot") == 5 {
		w.reboot(rapid.Bool().Draw(t, "containers remembered"))
	}

	w.daemon()
}

// doubt follows the loss of records: what was done to a container may have been among them.
func (w *world) doubt() {
	for _, c := range w.containers {
		c.doubtful = true
	}
}

func (w *world) reboot(remembered bool) {
	for len(w.calls) > 0 {
		w.linked = false
		w.serve(false, false)
	}

	w.boot++
	w.now, w.desired = 1, ""

	for _, c := range w.containers {
		w.end(c, &service.Exit{})
	}

	if !remembered {
		w.remove(func(*container) bool { return true })
	}
}

// check: what a person said last holds.
func (w *world) check(t *rapid.T) {
	if w.desired != "" && (w.desired == events.DesiredStopped) != w.state.DesiredStopped {
		t.Fatalf("a person wants it %s, the machine thinks otherwise", w.desired)
	}

	w.checkBelief(t)
}

// flip makes a condition hold or not.
func (w *world) flip(t *rapid.T) {
	key := rapid.SampledFrom([]string{timeKey, timeKey, addedKey}).Draw(t, "condition")
	w.facts[key] = rapid.IntRange(0, 3).Draw(t, "met") > 0
	w.tell(key)
}

// checkReplay folds the journal from its first event. Each step was folded from its bytes when it was taken, so that once
// at the end is enough.
func (w *world) checkReplay() {
	if state := w.replay(); !state.Equal(w.state) {
		w.t.Fatalf("the journal gives another state:\n%+v\n%+v", state.Snapshot(), w.state.Snapshot())
	}
}

// settle lets the world answer everything, in order and without trouble, until nothing is left to answer.
func (w *world) settle() {
	w.t.Log("settle")
	w.link(true)

	for _, key := range []string{timeKey, addedKey} {
		w.facts[key] = true
		w.tell(key)
	}

	const enough = 500
	for range enough {
		if !w.answer() {
			w.checkSettled()

			return
		}
	}

	w.t.Fatalf("does not settle: %+v", w.state.Snapshot())
}

// answer does one thing that the world owes, and tells whether there was any.
func (w *world) answer() bool {
	if w.receive(func(senders []string) string { return senders[0] }) || w.reportExits() {
		return true
	}

	if len(w.calls) > 0 {
		w.serve(false, true)

		return true
	}

	for _, c := range w.containers {
		if c.asked && c.status == events.TaskStatus_TASK_STATUS_RUNNING {
			w.end(c, &service.Exit{Known: true, Code: 143, Signal: 15})

			return true
		}
	}

	if len(w.timers) > 0 {
		w.fire(0)

		return true
	}

	return w.unload()
}

func (w *world) checkSettled() {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			w.t.Fatalf("%s: settled as %s#%d, containers %v", fmt.Sprintf(format, args...), w.state.Name, w.state.Attempt, w.shown())
		}
	}

	policyEnded := w.state.Ended() && w.state.FinishedBy == events.StopReason_STOP_REASON_UNSPECIFIED && w.wanted.GetRestart() != "always"
	limit := len(w.wanted.GetTimeouts()) > 0 && (w.state.Name == events.StateFailed || w.state.Name == events.StateSkipped)

	switch {
	case !w.present && !w.stopping:
		want(!w.alive && len(w.containers) == 0, "its file is gone")
	case w.state.DesiredStopped || w.stopping:
		want(!w.alive || w.state.Ended(), "it was stopped")
	case policyEnded || limit:
	default:
		want(w.state.Name == events.StateRunning, "it should run under %q", w.wanted.GetRestart())
	}

	if w.state.Name != events.StateRunning || !w.alive {
		for _, c := range w.containers { // a daemon that goes down does not look for more to end
			want(w.stopping && !w.alive || c.status != events.TaskStatus_TASK_STATUS_RUNNING, "a task runs that should not")
		}

		return
	}

	want(len(w.containers) == 1, "one task should run")

	c := w.containers[0]
	want(c.status == events.TaskStatus_TASK_STATUS_RUNNING && c.attempt == w.state.Attempt && c.pid == w.state.PID, "another task runs")
	want(c.boot == w.bootID(), "a task of an earlier boot runs")
	w.checkRuns(want)
	want(len(w.waits) > 0, "nobody waits for its exit")
}

func (w *world) shown() string {
	text := ""
	for _, c := range w.containers {
		text += fmt.Sprintf("%+v ", *c)
	}

	return text
}
