package daemon_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// A child that the kernel kills for lack of memory is the service's own affair: its exit is that of its first process. But
// it is said.
func TestOutOfMemoryOfAChild(t *testing.T) {
	t.Parallel()

	const limit = "\nextactor: {resources: {memory: 32Mi}}"

	h := newHost(t)
	h.service("careful", "restart: untilSuccess"+limit, "burden", "256", "print", "went on", "exit", "0")
	h.service("careless", "restart: never"+limit, "burden", "256", "print", "gave up", "exit", "3")

	d := h.start()
	d.event(t, 0, "ext-careful", `Task ext-careful \(PID \d+\) exited without error; a process of it was killed for lack of memory`)
	d.event(t, 0, "ext-careful", "Service finished successfully")
	d.event(t, 0, "ext-careless", `Task ext-careless \(PID \d+\) exited with code 3; a process of it was killed for lack of memory: last line "gave up"`)
	d.event(t, 0, "ext-careless", "Failed to run service: exited with code 3; a process of it was killed for lack of memory")

	for id, code := range map[string]int32{"ext-careful": 0, "ext-careless": 3} {
		exit := d.status(t, id, "its exit", func(s *service) bool { return s.GetLastExit() != nil }).GetLastExit()
		if !exit.GetOom() || exit.GetCode() != code || exit.GetSignal() != 0 || !exit.GetKnown() {
			t.Errorf("%s: %v", id, exit)
		}
	}
}

// detached is a process that a service has left in a session of its own.
type detached struct {
	pid     int
	process *os.File
}

// detachedOf returns the one process of a service beside its first.
func (h *host) detachedOf(id string, first uint32) detached {
	h.t.Helper()

	pids, err := cgroup.Processes(h.cgroup() + "/" + id)
	must(h.t, err)

	pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == int(first) })
	if len(pids) != 1 {
		h.t.Fatalf("beside its first process %d %s has %v", first, id, pids)
	}

	process, err := cgroup.Open(pids[0])
	must(h.t, err)

	return detached{pids[0], process}
}

// gone demands that it ends.
func (d detached) gone(t *testing.T) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	if err := cgroup.Ended(ctx, d.process); err != nil {
		t.Errorf("process %d lives on: %v", d.pid, err)
	}
}

// A service that has a child of a child in another session, which holds its output and ignores SIGTERM, ends when its first
// process ends: with the right event, restarted as it should be, and nothing of it lives on.
func TestDetachedProcess(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("parent", "restart: always", "detach", "print", "ready", "await", "print", "last words", "exit", "7")

	const id = "ext-parent"

	d := h.start()
	d.started(t, 0, id)
	h.printed(id, "ready")
	h.printed(id, "detached") // it may be the slower of the two

	first := d.state(t, id, "Running").GetPid()
	grandchild := h.detachedOf(id, first)
	before := d.now(t)

	proceed(t, int(first))

	ended := d.event(t, before, id, fmt.Sprintf(`Task %s \(PID %d\) exited with code 7: last line "last words"`, id, first))
	d.event(t, ended.GetSeq(), id, "Going to restart in 100ms: exited with code 7")
	d.started(t, ended.GetSeq(), id)
	grandchild.gone(t)

	follow := h.background("logs", "-f", id)
	follow.awaitLines(t, 5) // three of the first run, which are told in any order, and two of the second

	// And while it is stopped.
	second := d.state(t, id, "Running").GetPid()
	grandchild = h.detachedOf(id, second)

	h.cli("service", "parent", "stop").done(t)
	d.state(t, id, "Finished")
	grandchild.gone(t)

	words := map[string]int{}

	lines, _, _ := follow.lines.all()
	for _, line := range lines {
		words[line]++
	}

	if words["detached"] != 2 || words["ready"] != 2 || words["last words"] != 1 || len(lines) != 5 {
		t.Errorf("the log is %q", lines)
	}
}

// A process that ignores SIGTERM, as does what it has detached, is killed at the end of its time, and started again where
// that was wanted.
func TestRestartOfWhatIgnoresSIGTERM(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("rude", "restart: always\nextactor: {stop: {timeout: 200ms}}", "detach", "print", "ready", "stubborn")

	const id = "ext-rude"

	d := h.start()
	d.started(t, 0, id)
	h.printed(id, "ready")

	first := d.state(t, id, "Running").GetPid()
	grandchild := h.detachedOf(id, first)
	before := d.now(t)

	h.cli("service", "rude", "restart").done(t)

	asked := d.event(t, before, id, fmt.Sprintf(`Sending SIGTERM to task %s \(PID %d\)`, id, first))
	killed := d.event(t, asked.GetSeq(), id, fmt.Sprintf(`Sending SIGKILL to task %s \(PID %d\)`, id, first))
	ended := d.event(t, killed.GetSeq(), id, fmt.Sprintf(`Task %s \(PID %d\) was ended by signal 9 \(SIGKILL\): last line ".*"`, id, first))
	d.started(t, ended.GetSeq(), id)
	grandchild.gone(t)

	if err := unix.Kill(int(first), 0); err != unix.ESRCH {
		t.Errorf("the first process: %v", err)
	}

	if now := d.state(t, id, "Running"); now.GetAttempt() != 2 || now.GetPid() == first {
		t.Errorf("after the restart: %v", now)
	}
}
