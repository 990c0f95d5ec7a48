package daemon_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// A daemon that is killed, or told to leave, loses nothing: the next one has the history and goes on with the same
// tasks. One that is told to stop stops them, and the next one starts them again.
func TestNextDaemon(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("steady", "restart: always", "serve")

	const id = "ext-steady"

	d := h.start()
	first := d.started(t, 0, id)
	pid := d.state(t, id, "Running").GetPid()
	lines := d.history(id)

	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGUSR1, unix.SIGKILL} {
		status := h.end(signal)
		if signal != unix.SIGKILL && status.ExitStatus() != 0 {
			t.Errorf("after %v: %v", signal, status)
		}

		if err := unix.Kill(int(pid), 0); err != nil {
			t.Fatalf("after %v of the daemon its service is gone: %v", signal, err)
		}

		d = h.start()
		adopted := fmt.Sprintf("Adopted running task %s (PID %d) for container %s", id, pid, id)
		lines = append(lines, adopted)

		now := d.status(t, id, "adopted", func(s *service) bool {
			return s.GetState() == "Running" && lastMessage(s) == adopted && len(s.GetEvents()) == len(lines)
		})
		if now.GetPid() != pid || now.GetAttempt() != 1 || now.GetRestarts() != 0 {
			t.Errorf("after %v: %v", signal, now)
		}

		for index, event := range now.GetEvents() {
			if event.GetMessage() != lines[index] {
				t.Errorf("after %v EVENTS have %q, not %q", signal, event.GetMessage(), lines[index])
			}
		}
	}

	if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("after SIGTERM: %v", status)
	}

	if err := unix.Kill(int(pid), 0); err != unix.ESRCH {
		t.Errorf("after SIGTERM its service is there: %v", err)
	}

	d = h.start()
	stopped := d.event(t, first.GetSeq(), id, "Service was stopped for the daemon's shutdown")
	d.started(t, stopped.GetSeq(), id)
}

// What ends while no daemon lives is known with its real code, and its restart policy is applied.
func TestExitWithoutDaemon(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("once", "restart: never", "print", "ready", "await", "print", "bad luck", "exit", "7")
	h.service("again", "restart: always", "print", "ready", "await", "exit", "9")

	d := h.start()
	pids := map[string]int{}

	for _, id := range []string{"ext-once", "ext-again"} {
		d.started(t, 0, id)
		h.printed(id, "ready")
		pids[id] = int(d.state(t, id, "Running").GetPid())
	}

	before := d.now(t)
	h.end(unix.SIGKILL)

	for _, pid := range pids {
		proceed(t, pid)
	}

	d = h.start()
	d.event(t, before, "ext-once", fmt.Sprintf(`Task ext-once \(PID %d\) exited with code 7: last line "bad luck"`, pids["ext-once"]))
	d.event(t, before, "ext-once", "Failed to run service: exited with code 7")
	d.event(t, before, "ext-again", fmt.Sprintf(`Task ext-again \(PID %d\) exited with code 9: last line "ready"`, pids["ext-again"]))
	d.event(t, before, "ext-again", "Going to restart in 100ms: exited with code 9")
	d.started(t, before, "ext-again")

	if failed := d.state(t, "ext-once", "Failed"); failed.GetLastExit().GetCode() != 7 || !failed.GetLastExit().GetKnown() {
		t.Errorf("the one that is never restarted: %v", failed)
	}
}

// Daemon, containerd and logd may all die: the services go on, and neither an exit nor a line is lost.
func TestEverythingIsKilled(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("ending", "restart: never", "print", "ready", "await", "print", "last words", "exit", "6")
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-ending")
	d.started(t, 0, "ext-steady")
	h.printed("ext-ending", "ready")

	ending := int(d.state(t, "ext-ending", "Running").GetPid())
	steady := d.state(t, "ext-steady", "Running").GetPid()
	others := []int{h.part("containerd"), h.part("logd")}

	h.end(unix.SIGKILL)

	for _, pid := range others {
		must(t, unix.Kill(pid, unix.SIGKILL))
	}

	proceed(t, ending)

	d = h.start()
	d.event(t, 0, "ext-ending", fmt.Sprintf(`Task ext-ending \(PID %d\) exited with code 6: last line "last words"`, ending))
	d.event(t, 0, "ext-steady", fmt.Sprintf(`Adopted running task ext-steady \(PID %d\) for container ext-steady`, steady))

	if log := h.cli("logs", "ending").done(t); log != "ready\nlast words\n" {
		t.Errorf("the log is %q", log)
	}
}

// proceed lets a program that awaits it go on, and waits for its end.
func proceed(t testing.TB, pid int) {
	t.Helper()
	endBy(t, pid, unix.SIGUSR1)
}

// endBy sends a signal to a program that ends by it.
func endBy(t testing.TB, pid int, signal unix.Signal) {
	t.Helper()

	process, err := cgroup.Open(pid)
	must(t, err)
	must(t, cgroup.Signal(process, signal))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	must(t, cgroup.Ended(ctx, process))
}

// printed waits until a service has printed a line.
func (h *host) printed(id, line string) {
	h.t.Helper()

	followed := h.background("logs", "-f", id)
	followed.lines.await(h.t, fmt.Sprintf("%q from %s", line, id), func(seen string) bool { return seen == line })
	followed.interrupt()
}

// What a person has stopped stays stopped, however the daemon ends.
func TestManualStopStays(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("unwanted", "restart: always", "serve")
	h.service("witness", "restart: always", "serve")

	const id = "ext-unwanted"

	d := h.start()
	d.started(t, 0, id)
	h.cli("service", id, "stop").done(t)

	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGUSR1, unix.SIGTERM} {
		d.started(t, 0, "ext-witness")

		before := d.now(t)
		h.end(signal)

		d = h.start()
		d.event(t, before, "ext-witness", "(Adopted|Started) .*")

		if now := d.state(t, id, "Finished"); now.GetDesired() != "stopped" || now.GetPid() != 0 {
			t.Errorf("after %v: %v", signal, now)
		}
	}

	// The only start since is the one that is asked for now.
	before := d.now(t)
	h.cli("service", id, "start").done(t)
	d.started(t, before, id)

	starts := slices.DeleteFunc(d.history(id), func(line string) bool { return !strings.HasPrefix(line, "Started") })
	if len(starts) != 2 {
		t.Errorf("starts: %q", starts)
	}
}

// The second SIGTERM does not wait for a service that ignores the first.
func TestSecondTermHurries(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("stubborn", "restart: always\nextactor: {stop: {timeout: 10m}}", "print", "ready", "stubborn")

	d := h.start()
	d.started(t, 0, "ext-stubborn")
	h.printed("ext-stubborn", "ready") // before, the signal would end it
	h.signal(unix.SIGTERM)
	d.line(t, "Sending SIGTERM to task ext-stubborn")
	d.notes.await(t, "STOPPING=1", func(note string) bool { return note == "STOPPING=1" })
	<-time.After(100 * time.Millisecond) // what comes at once is the same wish, told to the process and to its group
	h.signal(unix.SIGTERM)
	d.line(t, "Sending SIGKILL to task ext-stubborn")

	if status := h.awaitEnd(); status.ExitStatus() != 0 {
		t.Errorf("the daemon ended with %v", status)
	}
}

// A daemon that is told to stop while it still starts leaves nothing behind either.
func TestTermDuringStart(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	// A program that is signalled before it has a handler ignores the signal: it is PID 1.
	h.service("young", "restart: always\nextactor: {stop: {timeout: 1s}}", "serve")
	h.service("unborn", "restart: always\nlogToConsole: true\ndepends: [{service: nobody}]", "serve")

	for _, moment := range []string{
		"extactor", "not connected yet", "Connected to containerd", "Running pre state", "Creating service runner",
	} {
		d := h.launch()
		d.line(t, moment)

		if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
			t.Errorf("stopped at %q: %v, it says:\n%s", moment, status, d.said())
		}

		if left := h.leftovers(); len(left) > 0 {
			t.Fatalf("stopped at %q it leaves:\n%s\nit says:\n%s", moment, list(left), d.said())
		}
	}
}

// Services start after what they depend on, and stop before it.
func TestOrderOfDependency(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("a", "restart: always\ndepends: [{service: ext-b}]", "print", "ready", "serve")
	h.service("b", "restart: always\ndepends: [{service: ext-c}]", "print", "ready", "serve")
	h.service("c", "restart: always", "print", "ready", "serve")

	d := h.start()
	a, b, c := d.started(t, 0, "ext-a"), d.started(t, 0, "ext-b"), d.started(t, 0, "ext-c")

	if a.GetSeq() < b.GetSeq() || b.GetSeq() < c.GetSeq() {
		t.Errorf("started: a at %d, b at %d, c at %d", a.GetSeq(), b.GetSeq(), c.GetSeq())
	}

	for _, id := range []string{"ext-a", "ext-b", "ext-c"} {
		h.printed(id, "ready") // it has a handler for SIGTERM
	}

	h.end(unix.SIGTERM)

	d = h.start()
	last := a.GetSeq()

	for _, id := range []string{"ext-a", "ext-b", "ext-c"} {
		asked := d.event(t, a.GetSeq(), id, "Sending SIGTERM .*")
		ended := d.event(t, a.GetSeq(), id, "Task .* exited without error")

		if asked.GetSeq() < last || ended.GetSeq() < asked.GetSeq() {
			t.Errorf("%s was asked to stop at %d and ended at %d, the one before it ended at %d",
				id, asked.GetSeq(), ended.GetSeq(), last)
		}

		last = ended.GetSeq()
	}
}

// One directory belongs to one daemon.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	first := h.start()

	for _, other := range []*host{
		{t: t, dir: h.dir, run: h.run, state: h.dir + "/other"},
		{t: t, dir: h.dir, run: h.dir + "/other", state: h.state},
	} {
		other.services, other.rootfs, other.config, other.containerd, other.console = h.services, h.rootfs, h.config, h.containerd, "stderr"
		second := other.launch()

		if status := other.awaitEnd(); status.ExitStatus() != 1 {
			t.Errorf("a second daemon ended with %v", status)
		}

		if said := second.said(); !strings.Contains(said, fmt.Sprintf("another extactor daemon does (PID %d)", first.pid)) {
			t.Errorf("a second daemon says:\n%s", said)
		}

		_ = os.Remove(h.dir + "/other/daemon.lock")
	}

	h.cli("status").done(t)
}
