package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A script that waits goes on when the service is up, not before, and not at all where it will not be.
func TestWait(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	gate, data := filepath.Join(h.dir, "gate"), filepath.Join(h.dir, "data")
	must(t, os.Mkdir(data, 0o755))

	h.service("behind", "restart: always\ndepends: [{path: "+gate+"}]", "serve")
	h.service("checked", "restart: always", "serve")
	h.file("checked", container{Entrypoint: "./program", Args: []string{"serve"}, Mounts: []mount{bind(data, "/data")}},
		"restart: always\nextactor: {health: {exec: [/program, exit-by, /data/code], interval: 50ms, failureThreshold: 1}}")
	h.service("job", "restart: never", "await", "print", "done")
	h.service("failing", "restart: never", "exit", "3")

	d := h.start()

	both := h.background("wait", "behind", "ext-checked")
	completed := h.background("wait", "job", "--until", "completed")

	d.event(t, 0, "ext-checked", "Health check failed: .*")
	d.state(t, "ext-behind", "Waiting")

	late := h.cli("wait", "behind", "checked", "job", "--timeout", "200ms")
	want := `extactor: after 200ms not up: ext-behind (Waiting for file "` + gate + `" to exist), ext-checked (Running, not healthy); see: extactor explain ext-behind` + "\n"

	if late.code != 1 || late.stderr != want || late.stdout != "" {
		t.Errorf("in vain: %+v", late)
	}

	must(t, os.WriteFile(gate, nil, 0o644))
	d.started(t, 0, "ext-behind")

	if printed, ended, _ := both.lines.all(); ended || len(printed) > 0 {
		t.Errorf("it goes on while a health check fails: %q", printed)
	}

	must(t, os.WriteFile(filepath.Join(data, "code"), []byte("0"), 0o644))
	await(t, "the end of the wait for both", both.ended)
	matches(t, "both", both.printed(), `\s*ext-behind is up\s+ext-checked is up\s*`)

	// What has ended by itself is completed, and up no more.
	must(t, unix.Kill(int(d.state(t, "ext-job", "Running").GetPid()), unix.SIGUSR1))
	await(t, "the end of the wait for the job", completed.ended)
	matches(t, "the job", completed.printed(), `\s*ext-job is completed\s*`)

	for _, vain := range []struct{ id, until, why string }{
		{"job", "up", "it has finished, and is not started again"},
		{"failing", "up", "it has failed: exited with code 3"},
		{"failing", "completed", "it has failed: exited with code 3"},
	} {
		d.state(t, "ext-failing", "Failed")

		asked := h.cli("wait", vain.id, "--until", vain.until)
		want := "extactor: ext-" + vain.id + " will not be " + vain.until + ": " + vain.why + "; see: extactor explain ext-" + vain.id + "\n"

		if asked.code != 1 || asked.stderr != want || asked.stdout != "" {
			t.Errorf("%s: %+v, want %s", vain.id, asked, want)
		}
	}

	// It waits for what a person stopped only once somebody wants it again.
	h.cli("service", "behind", "stop").done(t)

	if asked := h.cli("wait", "behind"); asked.code != 1 || asked.stderr != "extactor: ext-behind will not be up: it was stopped by a person; see: extactor explain ext-behind\n" {
		t.Errorf("stopped: %+v", asked)
	}

	h.cli("service", "behind", "start").done(t)
	h.cli("wait", "behind").done(t)
}

// An upgrade, or a crash of the daemon, is no end of the wait; that no other daemon follows is.
func TestWaitThroughARestart(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	gate := filepath.Join(h.dir, "gate")
	h.service("behind", "restart: always\ndepends: [{path: "+gate+"}]", "serve")

	d := h.start()
	d.state(t, "ext-behind", "Waiting")

	waits := h.background("wait", "behind")
	waits.connected()
	h.end(unix.SIGUSR1)

	d = h.start()
	must(t, os.WriteFile(gate, nil, 0o644))
	d.started(t, 0, "ext-behind")
	await(t, "the end of the wait", waits.ended)
	matches(t, "the wait", waits.printed(), `\s*ext-behind is up\s*`)
}

// connected waits until the command has a connection. Nothing tells.
func (b *background) connected() {
	b.h.t.Helper()

	limit := time.After(patience)

	for look := time.NewTicker(10 * time.Millisecond); ; {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.command.Process.Pid))
		for _, descriptor := range open {
			if to, _ := os.Readlink(descriptor); strings.HasPrefix(to, "socket:") {
				return
			}
		}

		select {
		case <-look.C:
		case <-limit:
			b.h.t.Fatal("the command does not connect to the daemon")
		}
	}
}

// printed is what has come on its standard output so far.
func (b *background) printed() string {
	lines, _, _ := b.lines.all()

	return list(lines)
}
