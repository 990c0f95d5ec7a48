package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// An upgrade, and the way back, replace daemon, logd and containerd under services that do not notice.
func TestUpgrade(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.install(older)

	ids := []string{"ext-one", "ext-two", "ext-well"}
	for _, name := range []string{"one", "two"} {
		h.service(name, "restart: always", "count")
	}

	h.service("well", `restart: always
extactor: {health: {exec: [./program, exit, "0"], interval: 20ms, failureThreshold: 1}}`, "count")
	h.service("patient", "restart: always\ndepends: [{path: "+h.dir+"/never}]", "serve")
	h.service("fresh", "restart: always", "print", "ready", "serve")

	d := h.start()
	for _, id := range append(ids, "ext-fresh") {
		d.started(t, 0, id)
	}

	d.status(t, "ext-well", "OK", func(s *service) bool { return s.GetHealth().GetHealthy() })
	d.event(t, 0, "ext-well", "Health check successful") // the events come by another stream
	waiting := d.state(t, "ext-patient", "Waiting")

	pids, lines := map[string]uint32{}, map[string][]string{}
	for _, id := range ids {
		pids[id] = d.state(t, id, "Running").GetPid()
		lines[id] = d.history(id)
	}

	for _, versions := range [][2]string{{older, newer}, {newer, older}} {
		from, to := versions[0], versions[1]
		before, containerd, logd := d.now(t), h.onlyPart("containerd"), h.onlyPart("logd")

		d = h.upgrade(to)
		d.replaced(t, before, from, to)

		if h.onlyPart("containerd") == containerd || h.onlyPart("logd") == logd {
			t.Errorf("to %s: the old processes are there", to)
		}

		for _, id := range ids {
			h.printsOn(id)

			now := d.state(t, id, "Running")
			if now.GetPid() != pids[id] || now.GetRestarts() != 0 || now.GetAttempt() != 1 {
				t.Errorf("to %s: %v", to, now)
			}

			lines[id] = append(lines[id], fmt.Sprintf("Adopted running task %s (PID %d) for container %[1]s", id, pids[id]))
			if id == "ext-well" {
				continue // the first check of each daemon is told
			}

			if got := d.history(id); !slices.Equal(got, lines[id]) {
				t.Errorf("to %s: EVENTS of %s are\n%s", to, id, list(got))
			}
		}

		if now := d.state(t, "ext-patient", "Waiting"); lastMessage(now) != lastMessage(waiting) {
			t.Errorf("to %s: %v", to, now)
		}

		h.underNewShim(d)
	}

	for _, line := range d.history("ext-well") {
		if strings.Contains(strings.ToLower(line), "fail") {
			t.Errorf("EVENTS of ext-well:\n%s", list(d.history("ext-well")))
		}
	}
}

// underNewShim restarts a service: it ends under its old shim, and gets one of the version that is installed.
func (h *host) underNewShim(d *daemon) {
	h.t.Helper()

	const name = "containerd-shim-extactor-v2"

	before, old := d.now(h.t), h.parts(name)
	for pid, program := range old {
		if !strings.HasSuffix(program, " (deleted)") {
			h.t.Errorf("shim %d runs %s", pid, program)
		}
	}

	h.cli("service", "fresh", "restart").done(h.t)
	d.started(h.t, before, "ext-fresh")
	h.printed("ext-fresh", "ready")

	fresh := 0

	for pid, program := range h.parts(name) {
		if old[pid] == "" && program == filepath.Join(h.dir, "bin", name) {
			fresh++
		}
	}

	if fresh != 1 {
		h.t.Errorf("%d new shims: %v, before %v", fresh, h.parts(name), old)
	}
}

// What ends while one containerd takes the place of another has its true code.
func TestExitDuringUpgrade(t *testing.T) {
	t.Parallel()

	const moments = 8 // services, each of which ends a little later than the one before

	h := newHost(t)
	h.install(older)

	for index := range moments {
		h.service(fmt.Sprint("ending", index), "restart: never", "print", "ready", "await", "exit", strconv.Itoa(10+index))
	}

	h.service("steady", "restart: always", "count")

	d := h.start()
	pids := make([]int, moments)

	for index := range pids {
		id := fmt.Sprint("ext-ending", index)
		d.started(t, 0, id)
		h.printed(id, "ready")
		pids[index] = int(d.state(t, id, "Running").GetPid())
	}

	d.started(t, 0, "ext-steady")

	before, steady := d.now(t), d.state(t, "ext-steady", "Running").GetPid()
	containerd, err := cgroup.Open(h.onlyPart("containerd"))
	must(t, err)

	ended := make(chan error, 1)

	// The daemon is started meanwhile, which waits for more than this.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()

		problem := cgroup.Ended(ctx, containerd)

		for _, pid := range pids {
			if problem == nil {
				problem = endNow(ctx, pid)
			}
		}

		ended <- problem
	}()

	d = h.upgrade(newer)
	d.replaced(t, before, older, newer)
	must(t, <-ended)

	for index, pid := range pids {
		id := fmt.Sprint("ext-ending", index)
		d.event(t, before, id, fmt.Sprintf(`Task %s \(PID %d\) exited with code %d: last line "ready"`, id, pid, 10+index))

		if exit := d.state(t, id, "Failed").GetLastExit(); !exit.GetKnown() || int(exit.GetCode()) != 10+index {
			t.Errorf("%s: %v", id, exit)
		}
	}

	h.printsOn("ext-steady")

	if now := d.state(t, "ext-steady", "Running"); now.GetPid() != steady || now.GetRestarts() != 0 {
		t.Errorf("%v", now)
	}
}

// endNow lets a program that awaits it go on, and waits for its end.
func endNow(ctx context.Context, pid int) error {
	process, err := cgroup.Open(pid)
	if err != nil {
		return err
	}

	if err := cgroup.Signal(process, unix.SIGUSR1); err != nil {
		process.Close()

		return err
	}

	return cgroup.Ended(ctx, process)
}

// Where the containerd of the new version does not start, the old one goes on, status says so, and the next version takes
// its place.
func TestUpgradeToBrokenContainerd(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.install(older)
	h.service("steady", "restart: always", "count")

	const id = "ext-steady"

	d := h.start()
	d.started(t, 0, id)

	before, pid := d.now(t), d.state(t, id, "Running").GetPid()

	d = h.upgrade(unusable)

	const refused = `Connected to containerd \S+ \(of extactor v0.3.0, to be replaced by v0.5.0: cannot start containerd: ` +
		`it ended before it answered; its log .* ends with: .*this build is broken.*\) at .*`

	d.event(t, before, "containerd", refused)
	d.line(t, "containerd of another version stays for now; services go on")
	matches(t, "status of containerd", h.cli("status", "containerd").done(t), `(?s).*of extactor v0.3.0, to be replaced by v0.5.0: .*broken.*`)
	h.onlyPart("logd")

	if now := d.state(t, "containerd", "Running"); !now.GetHealth().GetHealthy() {
		t.Errorf("containerd: %v", now)
	}

	// It is as good as before: services are started and ended by it.
	h.service("added", "restart: always", "print", "ready", "serve")
	d.started(t, before, "ext-added")
	h.printed("ext-added", "ready")
	h.cli("service", "added", "stop").done(t)
	d.state(t, "ext-added", "Finished")

	h.commandAcross(d, refused)

	then := d.now(t)
	d = h.upgrade(newer)
	found := d.event(t, then, "containerd", `Connected to containerd \S+ \(of extactor v0.3.0, to be replaced by v0.4.0\) at .*`)
	d.event(t, found.GetSeq(), "containerd", `Connected to containerd \S+ at .*`)
	h.onlyPart("containerd")
	h.printsOn(id)

	if now := d.state(t, id, "Running"); now.GetPid() != pid || now.GetRestarts() != 0 || now.GetAttempt() != 1 {
		t.Errorf("%v", now)
	}
}

// commandAcross has a command in a container go on while the daemon tries to replace containerd once more.
func (h *host) commandAcross(d *daemon, refused string) {
	h.t.Helper()

	command := h.background("exec", "steady", "--", "./program", "print", "begun", "await", "exit", "6")
	command.lines.await(h.t, "the command", func(line string) bool { return line == "begun" })
	d.event(h.t, d.now(h.t), "containerd", refused)

	for _, group := range h.members("ext-steady") {
		words, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", group))
		if err == nil && strings.Contains(string(words), "begun") {
			proceed(h.t, group)
		}
	}

	await(h.t, "the end of the command", command.ended)

	if code := command.command.ProcessState.ExitCode(); code != 6 {
		h.t.Errorf("the command: exit code %d", code)
	}
}
