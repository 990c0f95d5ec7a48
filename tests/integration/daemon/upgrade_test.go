package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// The builds between which these tests change.
const (
	older    = "v0.3.0"
	newer    = "v0.4.0"
	unusable = "v0.5.0" // its containerd does not start
)

// unusableChange makes the build whose containerd does not start.
const (
	unusableFile = "internal.go" // of cmd/extactor
	unusableFrom = "return server.Run(command.Context(), config)"
	unusableTo   = `_ = server.Run; return fmt.Errorf("this build is broken")`
)

var buildOnce = map[string]func() (string, error){
	older:    sync.OnceValues(func() (string, error) { return buildVersion(older) }),
	newer:    sync.OnceValues(func() (string, error) { return buildVersion(newer) }),
	unusable: sync.OnceValues(func() (string, error) { return buildVersion(unusable) }),
}

// buildVersion returns a directory with the programs of a version.
func buildVersion(version string) (string, error) {
	directory := filepath.Join(filepath.Dir(programPath), version)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}

	var flags []string

	if version == unusable {
		overlay, err := overlayOf(directory)
		if err != nil {
			return "", err
		}

		flags = append(flags, "-overlay="+overlay)
	}

	return directory, goBuild(directory+"/", root+"/cmd/...", append(flags, "-ldflags=-s -w -X main.version="+version)...)
}

// overlayOf writes what the compiler is to read instead of a file.
func overlayOf(directory string) (string, error) {
	file, err := filepath.Abs(filepath.Join(root, "cmd/extactor", unusableFile))
	if err != nil {
		return "", err
	}

	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}

	if !strings.Contains(string(text), unusableFrom) {
		return "", fmt.Errorf("%s has changed: it does not contain %q", file, unusableFrom)
	}

	changed := filepath.Join(directory, unusableFile)
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), unusableFrom, unusableTo, 1)), 0o644); err != nil {
		return "", err
	}

	overlay := map[string]map[string]string{"Replace": {file: changed}}

	encoded, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}

	path := filepath.Join(directory, "overlay.json")

	return path, os.WriteFile(path, encoded, 0o644)
}

// install replaces the programs of the host as a package does: by a rename over those that run.
func (h *host) install(version string) {
	h.t.Helper()

	directory, err := buildOnce[version]()
	must(h.t, err)

	h.program = filepath.Join(h.dir, "bin", "extactor")
	must(h.t, os.MkdirAll(filepath.Dir(h.program), 0o755))

	for _, name := range []string{"extactor", "containerd-shim-extactor-v2"} {
		target := filepath.Join(h.dir, "bin", name)
		content, err := os.ReadFile(filepath.Join(directory, name))
		must(h.t, err)
		must(h.t, os.WriteFile(target+".new", content, 0o755))
		must(h.t, os.Rename(target+".new", target))
	}
}

// upgrade ends the daemon as a package does, and starts the next one with the programs of a version.
func (h *host) upgrade(version string) *daemon {
	h.t.Helper()

	h.signal(unix.SIGUSR1)

	if status := h.awaitEnd(); status.ExitStatus() != 0 {
		h.t.Errorf("after SIGUSR1: %v", status)
	}

	h.install(version)

	return h.start()
}

// parts are the processes that outlive the daemon: containerd, logd, shims. Each with the program that it runs: that of a
// package that was replaced is "(deleted)".
func (h *host) parts(name string) map[int]string {
	h.t.Helper()

	found := map[int]string{}

	for _, process := range processesNaming(h.dir) {
		words := strings.Fields(process)
		if !slices.Contains(words[1:min(3, len(words))], name) && filepath.Base(words[1]) != name {
			continue
		}

		pid, err := strconv.Atoi(words[0])
		must(h.t, err)

		if program, err := os.Readlink("/proc/" + words[0] + "/exe"); err == nil {
			found[pid] = program
		}
	}

	return found
}

// onlyPart is the PID of the one process of that name, which must run what is installed.
func (h *host) onlyPart(name string) int {
	h.t.Helper()

	parts := h.parts(name)
	for pid, program := range parts {
		if len(parts) == 1 && program == h.program {
			return pid
		}
	}

	h.t.Fatalf("%s: %v", name, parts)

	return 0
}

// replaced waits until both parts are of the version that is installed. What was seen of the other version is recorded.
func (d *daemon) replaced(t testing.TB, after uint64, from, to string) {
	t.Helper()

	stays := "extactor " + from + ", to be replaced by " + to
	d.event(t, after, "logd", "Host service: running, of "+stays)
	d.event(t, after, "logd", "Host service: running")

	found := d.event(t, after, "containerd", `Connected to containerd \S+ \(of `+stays+`\) at .*`)
	d.event(t, found.GetSeq(), "containerd", `Connected to containerd \S+ at .*`)
}

// numbered demands that a log is 1, 2, 3, ..., and returns how many lines it has.
func (h *host) numbered(id string) int {
	h.t.Helper()

	lines := strings.Fields(h.cli("logs", id).done(h.t))
	for index, line := range lines {
		if line != strconv.Itoa(index+1) {
			h.t.Fatalf("line %d of %s is %q", index+1, id, line)
		}
	}

	return len(lines)
}

// printsOn waits until a service that counts has printed more.
func (h *host) printsOn(id string) {
	h.t.Helper()

	before := h.numbered(id)
	h.printed(id, strconv.Itoa(before+100))
}

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
