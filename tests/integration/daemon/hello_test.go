package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// ip runs ip(8).
func ip(t testing.TB, words ...string) {
	t.Helper()

	if text, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v\n%s", words, err, text)
	}
}

var namespaces atomic.Int64 // that were made, for their names

// newNetns makes a network namespace with one interface that is up and has no address but a link-local one.
func newNetns(t testing.TB) string {
	t.Helper()

	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ip is not installed")
		}

		t.Skip("SKIPPED: needs ip: apt-get install iproute2")
	}

	name := fmt.Sprintf("ex%d-%d", os.Getpid(), namespaces.Add(1))
	ip(t, "netns", "add", name)
	t.Cleanup(func() { ip(t, "netns", "delete", name) })
	ip(t, "-n", name, "link", "add", "port0", "type", "veth", "peer", "name", "port1")
	ip(t, "-n", name, "link", "set", "port0", "up")
	ip(t, "-n", name, "link", "set", "port1", "up")

	return name
}

const age = ` \(\d+m?\d*s ago\)`

// The reference's example: its file, what status shows, and what people do with it.
func TestHelloWorld(t *testing.T) {
	netns := newNetns(t) // before the host, so that it goes after it
	h := newHost(t)
	h.netns = netns

	example, err := os.ReadFile(root + "/examples/hello-world/hello-world.yaml")
	must(t, err)
	h.write("hello-world.yaml", string(example))
	must(t, os.Mkdir(filepath.Join(h.rootfs, "hello-world"), 0o755))
	must(t, os.Link(helloPath, filepath.Join(h.rootfs, "hello-world", "hello-world")))

	const id = "ext-hello-world"

	d := h.start()
	d.event(t, 0, id, "Waiting for network")
	d.state(t, id, "Waiting")
	matches(t, "status of all", h.cli("status").done(t), `(?s)SERVICE +STATE +HEALTH +LAST CHANGE +LAST EVENT
containerd +Running +OK +\d+s ago +Connected to containerd .*
ext-hello-world +Waiting +\? +\d+s ago +Waiting for network
(journal +Running +OK .*\n)?logd +Running +OK +\d+s ago +Host service: running
`)

	ip(t, "-n", netns, "address", "add", "192.0.2.1/24", "dev", "port0")

	pid := d.status(t, id, "a PID", func(s *service) bool { return s.GetPid() != 0 }).GetPid()
	block := h.cli("status", id).done(t)
	matches(t, "status of one", block, `NODE     \S+
ID       ext-hello-world
STATE    Running
HEALTH   \?
EVENTS   \[Running\]: Started task ext-hello-world \(PID `+fmt.Sprint(pid)+`\) for container ext-hello-world`+age+`
         \[Preparing\]: Creating service runner`+age+`
         \[Preparing\]: Running pre state`+age+`
         \[Waiting\]: Waiting for network`+age+`
(         \[Waiting\]: Waiting for service "containerd" to be "up", network`+age+`
)?`)

	if short := h.cli("status", "hello-world").done(t); agesGone(short) != agesGone(block) {
		t.Errorf("by its short name:\n%s", short)
	}

	if status := h.cli("service", id, "status").done(t); agesGone(status) != agesGone(block) {
		t.Errorf("service status:\n%s", status)
	}

	followed := h.background("logs", "-f", "hello-world")
	followed.lines.await(t, "its line", func(line string) bool { return line == "Hello from an extension service" })

	if log := h.cli("logs", id, "--tail", "1").done(t); !strings.Contains(log, "Hello") && !strings.Contains(log, "still here") {
		t.Errorf("logs: %q", log)
	}

	h.commands(t, d, id)
	followed.interrupt()
}

// commands stops, starts and restarts a service that runs.
func (h *host) commands(t *testing.T, d *daemon, id string) {
	t.Helper()

	order := func(action string) (before uint64, response string) {
		before = d.now(t)

		return before, h.cli("service", id, action).done(t)
	}

	before, response := order("stop")
	matches(t, "stop", response, `NODE +RESPONSE\n\S+ +Service "ext-hello-world" stopped\n`)
	d.event(t, before, id, "Service was stopped")

	if stopped := d.state(t, id, "Finished"); stopped.GetDesired() != "stopped" || stopped.GetPid() != 0 {
		t.Errorf("stopped: %v", stopped)
	}

	before, response = order("start")
	matches(t, "start", response, `NODE +RESPONSE\n\S+ +Service "ext-hello-world" started\n`)
	d.started(t, before, id)

	before, response = order("restart")
	matches(t, "restart", response, `NODE +RESPONSE\n\S+ +Service "ext-hello-world" restarted\n`)
	d.event(t, before, id, "Restart requested")
	d.event(t, before, id, `Sending SIGTERM to task ext-hello-world \(PID \d+\)`)
	d.event(t, before, id, `Task ext-hello-world \(PID \d+\) .*`)
	d.started(t, before, id)
}
