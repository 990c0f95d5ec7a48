package daemon_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// part returns the process that the daemon started as "extactor NAME --run DIRECTORY".
func (h *host) part(name string) int {
	h.t.Helper()

	for _, process := range processesNaming(h.dir) {
		words := strings.Fields(process)
		if words[1] == extactor && words[2] == name {
			pid, err := strconv.Atoi(words[0])
			must(h.t, err)

			return pid
		}
	}

	h.t.Fatalf("no process %q runs", name)

	return 0
}

// The line of a container that runs wholly while logd is dead is there, once.
func TestLineWhileLogdIsDead(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	gate := filepath.Join(h.dir, "gate")
	h.service("brief", "restart: never\ndepends: [{path: "+gate+"}]", "print", "I was here", "exit", "0")

	d := h.start()
	d.event(t, 0, "ext-brief", `Waiting for file ".*" to exist`)

	// Killed, the daemon would start it again at once; stopped, it does nothing, and dies before it goes on.
	logd := h.part("logd")
	must(t, unix.Kill(logd, unix.SIGSTOP))
	must(t, os.WriteFile(gate, nil, 0o644))
	d.event(t, 0, "ext-brief", "Service finished successfully")
	must(t, unix.Kill(logd, unix.SIGKILL))
	h.printed("ext-brief", "I was here")

	if log := h.cli("logs", "brief").done(t); log != "I was here\n" {
		t.Errorf("the log is %q", log)
	}
}

// People who follow a log see the next run too; the console shows it where the file wants that.
func TestFollowedLog(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("talker", "restart: always\nlogToConsole: true", "print", "first", "print", "second", "serve")
	h.service("silent", "restart: always", "print", "not for the console", "serve")

	d := h.start()
	d.started(t, 0, "ext-talker")

	followed := h.background("logs", "talker", "--follow")
	count := func(lines int) {
		followed.lines.await(t, strconv.Itoa(lines)+" lines", func(string) bool {
			seen, _, _ := followed.lines.all()

			return len(seen) >= lines
		})
	}

	count(2)
	h.cli("service", "talker", "restart").done(t)
	count(4)
	followed.interrupt()

	seen, _, _ := followed.lines.all()
	if strings.Join(seen, " ") != "first second first second" {
		t.Errorf("followed: %q", seen)
	}

	for tail, want := range map[string]string{
		"0": "", "1": "second\n", "3": "second\nfirst\nsecond\n", "100": "first\nsecond\nfirst\nsecond\n",
		"-1": "first\nsecond\nfirst\nsecond\n",
	} {
		if log := h.cli("logs", "ext-talker", "--tail", tail).done(t); log != want {
			t.Errorf("--tail %s: %q", tail, log)
		}
	}

	if line := d.line(t, "second"); !strings.Contains(line, "ext-talker") {
		t.Errorf("on the console: %q", line)
	}

	h.printed("silent", "not for the console")
	h.end(unix.SIGTERM)

	if strings.Contains(d.said(), "not for the console") {
		t.Errorf("the console shows lines of a service without logToConsole:\n%s", d.said())
	}
}
