package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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

// Lines are found by when they came, by whatever names a time.
func TestLogByTimes(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("talker", "restart: always", "print", "first", "print", "second", "serve")

	d := h.start()
	d.started(t, 0, "ext-talker")
	h.printed("talker", "second")

	between, before := time.Now().UTC(), d.now(t)
	h.cli("service", "talker", "restart").done(t)

	followed := h.background("logs", "talker", "--follow", "--since", between.Format(time.RFC3339Nano))
	followed.awaitLines(t, 2)
	followed.interrupt()

	const run = "first\nsecond\n"

	at := between.Format(time.RFC3339Nano)
	for words, want := range map[string]string{
		"--since " + at:                               run,
		"--until " + at:                               run,
		"--since " + at + " --tail 1":                 "second\n",
		"--until " + at + " --tail 1":                 "second\n",
		"--since " + strconv.FormatUint(before+1, 10): run, // what the restart recorded first
		"--since boot":                                run + run,
		"--since 1h":                                  run + run,
		"--until 1h":                                  "",
		"--until " + at + " -f":                       run,
	} {
		if log := h.cli(append([]string{"logs", "talker"}, strings.Fields(words)...)...).done(t); log != want {
			t.Errorf("%s: %q, want %q", words, log, want)
		}
	}

	var earlier int

	for line := range strings.Lines(h.cli("logs", "talker", "-t").done(t)) {
		stamp, text, _ := strings.Cut(line, " ")

		came, err := time.Parse(time.RFC3339, stamp)
		must(t, err)

		if !strings.Contains(run, text) || came.After(time.Now()) {
			t.Errorf("%q", line)
		}

		if came.Before(between) {
			earlier++
		}
	}

	if earlier != 2 {
		t.Errorf("%d lines are from before %v", earlier, between)
	}

	end := time.Now().Add(time.Second).UTC()
	waiting := h.background("logs", "talker", "-f", "--until", end.Format(time.RFC3339Nano))
	waiting.awaitLines(t, 4)
	await(t, "the end of the time", waiting.ended)

	if time.Now().Before(end) || waiting.command.ProcessState.ExitCode() != 0 {
		t.Errorf("it ended %v before the time: %v", time.Until(end), waiting.command.ProcessState)
	}
}

// Lines of several services are in the order in which they were printed, also of one that begins later.
func TestLogsOfSeveralServices(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	gate := filepath.Join(h.dir, "gate")
	h.service("early", "restart: never", "print", "one", "exit", "0")
	h.service("late", "restart: never\ndepends: [{path: "+gate+"}]", "print", "two", "serve")

	d := h.start()
	followed := h.background("logs", "late", "early", "--follow")
	d.event(t, 0, "ext-early", "Service finished successfully")
	followed.awaitLines(t, 1)
	must(t, os.WriteFile(gate, nil, 0o644))
	followed.awaitLines(t, 2)
	followed.interrupt()

	const want = "ext-early: one\next-late: two\n"

	if seen, _, _ := followed.lines.all(); strings.Join(seen, "\n")+"\n" != want {
		t.Errorf("followed %q, want %q", seen, want)
	}

	equalText(t, h.cli("logs", "late", "early", "ext-late").done(t), want)

	for line := range strings.Lines(h.cli("logs", "late", "early", "-t", "--tail", "1").done(t)) {
		stamp, text, _ := strings.Cut(line, " ")
		if _, err := time.Parse(time.RFC3339, stamp); err != nil || !strings.Contains(want, text) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// Whoever follows services with the times of their lines misses none while logd and containerd are killed.
func TestFollowedLogsThroughDeaths(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("a", "restart: always", "count")
	h.service("b", "restart: always", "count")

	d := h.start()
	d.started(t, 0, "ext-a")
	d.started(t, 0, "ext-b")

	followed := h.background("logs", "a", "b", "-f", "-t")
	more := func() {
		seen, _, _ := followed.lines.all()
		followed.awaitLines(t, len(seen)+200)
	}

	for range 3 {
		more()

		logd := h.part("logd")
		must(t, unix.Kill(logd, unix.SIGKILL))
		h.nextLogd(logd)
	}

	more()
	must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
	more()
	followed.interrupt()

	printed, last := map[string]*strings.Builder{"ext-a": {}, "ext-b": {}}, map[string]string{}
	seen, _, _ := followed.lines.all()

	for _, line := range seen {
		var stamp, id, number string

		if _, err := fmt.Sscanf(line, "%s %s %s", &stamp, &id, &number); err != nil || stamp < last[id] {
			t.Fatalf("%q after %q: %v", line, last[id], err)
		}

		last[id] = stamp
		fmt.Fprintln(printed[strings.TrimSuffix(id, ":")], number)
	}

	for id, text := range printed {
		if count := checkConsecutive(t, text.String()); !strings.HasPrefix(text.String(), "1\n") || count < 100 {
			t.Errorf("%d lines of %s, the first %.10q", count, id, text.String())
		}
	}
}
