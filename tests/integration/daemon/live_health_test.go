package daemon_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// patient is something that a health check asks.
type patient struct {
	name  string
	check string                        // the kind of check and what it asks
	set   func(t *testing.T, well bool) // makes it well, or ill
	ill   string                        // what is then said of it, as a pattern
	well  string                        // and otherwise
}

// Each kind of check says OK, Fail and OK again, with a message, and whoever depends on the service waits meanwhile.
func TestHealthChecks(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	data := filepath.Join(h.dir, "data")
	must(t, os.Mkdir(data, 0o755))

	patients := []patient{commandPatient(data), listenerPatient(t, "tcp", "127.0.0.9:0"), listenerPatient(t, "unix", filepath.Join(h.dir, "socket"))}

	for _, p := range patients {
		p.set(t, false)

		rest := "restart: always\nextactor: {health: {" + p.check + ", interval: 50ms, failureThreshold: 1}}"
		h.service(p.name, "restart: always", "serve")
		h.file(p.name, container{Entrypoint: "./program", Args: []string{"serve"}, Mounts: []mount{bind(data, "/data")}}, rest)
		h.service("after-"+p.name, "restart: always\ndepends: [{service: ext-"+p.name+"}]", "serve")
	}

	d := h.start()

	t.Run("kinds", func(t *testing.T) {
		for _, p := range patients {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()

				here := *h
				here.t = t
				p.follow(t, &here, d)
			})
		}
	})
}

func (p patient) follow(t *testing.T, h *host, d *daemon) {
	t.Helper()

	id, after := "ext-"+p.name, "ext-after-"+p.name
	shows := func(health, message string) {
		t.Helper()

		pattern := regexp.MustCompile(`\nHEALTH +` + health + `\nLAST HEALTH MESSAGE +` + message + `\n`)
		if block := h.cli("status", id).done(t); !pattern.MatchString(block) {
			t.Errorf("status does not match %s:\n%s", pattern, block)
		}
	}

	ill := d.event(t, 0, id, "Health check failed: "+p.ill)
	shows("Fail", p.ill)
	matches(t, "what waits", lastMessage(d.state(t, after, "Waiting")), `Waiting for service "`+id+`" to be .*`)

	p.set(t, true)
	well := d.event(t, ill.GetSeq(), id, "Health check successful")
	d.started(t, well.GetSeq(), after)
	d.status(t, id, "its message", func(s *service) bool { return s.GetHealth().GetLastMessage() != "" || p.well == "" })

	if p.well != "" {
		shows("OK", p.well)
	}

	p.set(t, false)
	ill = d.event(t, well.GetSeq(), id, "Health check failed: "+p.ill)
	shows("Fail", p.ill)
	d.state(t, after, "Running") // what runs is left alone

	p.set(t, true)
	d.event(t, ill.GetSeq(), id, "Health check successful")
	d.status(t, id, "health", func(s *service) bool { return s.GetHealth().GetHealthy() })

	if starts := strings.Count(list(d.history(id)), "  Started task "); starts != 1 {
		t.Errorf("it started %d times:\n%s", starts, list(d.history(id)))
	}
}

// commandPatient is a command that ends as a file in the directory says, which the container has as /data.
func commandPatient(data string) patient {
	return patient{
		name: "command", check: "exec: [./program, print, all is said, exit-by, /data/code]",
		well: "all is said", ill: "exit code 3: all is said",
		set: func(t *testing.T, well bool) { setCode(t, data, map[bool]string{true: "0", false: "3"}[well]) },
	}
}

// setCode replaces the file in one step, so that no check reads half of it.
func setCode(t testing.TB, data, code string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(data, "new"), []byte(code), 0o644))
	must(t, os.Rename(filepath.Join(data, "new"), filepath.Join(data, "code")))
}

// listenerPatient is an address at which somebody listens while it is well.
func listenerPatient(t *testing.T, network, address string) patient {
	t.Helper()

	listener, err := net.Listen(network, address)
	must(t, err)

	address = listener.Addr().String()
	t.Cleanup(func() { listener.Close() })

	set := func(t *testing.T, well bool) {
		t.Helper()

		if !well {
			must(t, listener.Close())

			return
		}

		listener, err = net.Listen(network, address)
		must(t, err)
	}

	p := patient{name: "listener-" + network, set: set, ill: ".*(?:refused|no such file).*"}
	p.check, p.well = fmt.Sprintf("tcp: %q", address), regexp.QuoteMeta(address)+" accepts"

	if network == "unix" {
		p.check, p.well = fmt.Sprintf("socket: %q", address), regexp.QuoteMeta(fmt.Sprintf("%q", address))+" accepts"
	}

	return p
}

// A service that becomes unhealthy is restarted where its file says so, as after a failure.
func TestUnhealthyRestarts(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	data := filepath.Join(h.dir, "data")
	must(t, os.Mkdir(data, 0o755))
	setCode(t, data, "0")

	const id = "ext-weak"

	h.service("weak", "restart: always")
	h.file("weak", container{Entrypoint: "./program", Args: []string{"serve"}, Mounts: []mount{bind(data, "/data")}},
		"restart: always\nextactor: {health: {exec: [./program, exit-by, /data/code], interval: 50ms, failureThreshold: 2, onFailure: restart}}")

	d := h.start()
	before := d.event(t, 0, id, "Health check successful").GetSeq()
	setCode(t, data, "4")

	for _, pattern := range []string{
		"Health check failed: exit code 4", "Restarting because it is unhealthy", `Sending SIGTERM to task ext-weak \(PID \d+\)`,
		`Going to restart in 100ms: it was unhealthy`, "Started task .*", "Health check failed: exit code 4", `Going to restart in 200ms: it was unhealthy`,
	} {
		before = d.event(t, before, id, pattern).GetSeq()
	}

	setCode(t, data, "0")
	d.event(t, before, id, "Health check successful")
	d.status(t, id, "health", func(s *service) bool { return s.GetState() == "Running" && s.GetHealth().GetHealthy() })
}

// Checks that hang, cannot be run, flood, or say 127 are shown as what they are, leave nothing, and hold up no stop.
func TestHealthChecksGoWrong(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	socket := filepath.Join(h.dir, "line")

	// Whoever calls here and does not hang up is a check that hangs.
	calls, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { calls.Close() })

	for name, health := range map[string]string{
		"slow":    "exec: [./program, stubborn], interval: 50ms, timeout: 200ms",
		"hasty":   "exec: [./program, stubborn], interval: 50ms, timeout: 60ms", // over while the command is started
		"flood":   "exec: [./program, flood], interval: 50ms, timeout: 200ms",
		"holding": "exec: [./program, call, /line], timeout: 1h",
		"code":    `exec: [./program, print, oh no, exit, "127"], interval: 50ms`,
		"missing": "exec: [/missing], interval: 50ms",
	} {
		h.service(name, "restart: always")
		h.file(name, container{Entrypoint: "./program", Args: []string{"serve"}, Mounts: []mount{bind(socket, "/line")}},
			"restart: always\nextactor: {health: {"+health+", failureThreshold: 1}}")
		must(t, os.WriteFile(filepath.Join(h.rootfs, name, "line"), nil, 0o644))
	}

	d := h.start()

	for name, message := range map[string]string{
		"slow": "no answer within 200ms", "hasty": "no answer within 60ms", "flood": "no answer within 200ms", "code": "exit code 127: oh no", "missing": `cannot run "/missing": .*`,
	} {
		d.event(t, 0, "ext-"+name, "Health check failed: "+message)
		h.cli("service", name, "stop").done(t)
		d.state(t, "ext-"+name, "Finished")

		if log := h.cli("logs", name).done(t); log != "" {
			t.Errorf("what the check of %s printed is in the service's log, %d bytes", name, len(log))
		}
	}

	// A call comes in, and the service ends while it lasts.
	for _, end := range []string{"restart", "death", "stop"} {
		must(t, calls.(*net.UnixListener).SetDeadline(time.Now().Add(patience)))

		call, err := calls.Accept()
		must(t, err)

		running := d.state(t, "ext-holding", "Running")
		if !running.GetHealth().GetUnknown() {
			t.Errorf("before the first answer: %v", running.GetHealth())
		}

		if end == "death" {
			must(t, unix.Kill(int(running.GetPid()), unix.SIGKILL))
			d.event(t, 0, "ext-holding", `Going to restart in 100ms: was ended by signal 9 \(SIGKILL\)`)
		} else {
			h.cli("service", "holding", end).done(t)
		}

		must(t, call.SetReadDeadline(time.Now().Add(patience)))

		if _, err := io.Copy(io.Discard, call); err != nil {
			t.Errorf("the check goes on after %s: %v", end, err)
		}

		call.Close()
	}

	d.state(t, "ext-holding", "Finished")

	// A check that begins while the container dies finds none, and says so.
	history := strings.ReplaceAll(list(d.history("ext-holding")), `Health check failed: cannot run`, "")
	if strings.Contains(history, "Health") || strings.Contains(history, "Sending SIGKILL") {
		t.Errorf("the check had its say:\n%s", history)
	}

	if said := d.said(); strings.Contains(said, "something of a command is left") {
		t.Error("a check left something")
	}
}

// The limits of a service file are those of the cgroup, and the kernel's.
func TestResources(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("greedy", "restart: never\nextactor: {resources: {memory: 32Mi}}", "print", "ready", "allocate", "256", "serve")
	h.service("bound", "restart: always\nextactor: {resources: {memory: 64Mi, cpu: 0.5, pids: 57}}", "serve")

	d := h.start()
	d.event(t, 0, "ext-greedy", `Task ext-greedy \(PID \d+\) was killed for lack of memory \(exit code 137\): last line "ready"`)

	if exit := d.state(t, "ext-greedy", "Failed").GetLastExit(); !exit.GetOom() || exit.GetSignal() != 9 {
		t.Errorf("the exit: %v", exit)
	}

	d.started(t, 0, "ext-bound")

	for _, limit := range []struct {
		files []string // of the two versions of cgroups
		value string
	}{
		{[]string{"pids.max"}, `57`},
		{[]string{"memory.limit_in_bytes", "memory.max"}, `67108864`},
		{[]string{"cpu.cfs_quota_us", "cpu.max"}, `50000( 100000)?`},
	} {
		matches(t, limit.files[0], readLimit(t, h.cgroup()+"/ext-bound", limit.files), limit.value)
	}
}

// readLimit reads the first of the files that the cgroup has.
func readLimit(t testing.TB, group string, files []string) string {
	t.Helper()

	directories, err := cgroup.Directories(group)
	must(t, err)

	for _, directory := range directories {
		for _, file := range files {
			if content, err := os.ReadFile(filepath.Join(directory, file)); err == nil {
				return strings.TrimSpace(string(content))
			}
		}
	}

	t.Fatalf("none of %v is in %v", files, directories)

	return ""
}
