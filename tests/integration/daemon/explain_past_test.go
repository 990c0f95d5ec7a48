package daemon_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// A service that has failed is explained as it is, and as it was: by the daemon that runs, and from the file of one that
// does not. What the daemon decided is what this version decides.
func TestExplainThePast(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("never", "restart: never", "print", "it is over", "exit", "3")
	d := h.start()
	runs := d.event(t, 0, "ext-never", `Started task .*`)
	failed := d.event(t, runs.GetSeq(), "ext-never", `Failed to run service.*`)

	const why = `ext-never has failed since .*, because the task of ext-never \(PID \d+\) exited with code 3: last line "it is over" at .*` +
		`That was because the task of ext-never \(PID \d+\) was started .*That was because service "containerd" came up .*extactor connected to containerd .*`

	now := h.cli("explain", "never").done(t)
	matches(t, "explain", now, `(?s).*root cause: ext-never has failed.*how it came to be: At .* `+why)

	then := []string{"explain", "never", "--at", fmt.Sprint(runs.GetSeq())}
	matches(t, "explain --at", h.cli(then...).done(t), `(?s)At \S+ ext-never is running since \S+, because the task of ext-never \(PID \d+\) was started .*`)
	matches(t, "replay --check", h.cli("replay", "--check").done(t), `\d+ events, \d+ decisions taken again: 0 differ\s*`)

	h.end(unix.SIGTERM)

	of := []string{"--journal", h.state}
	matches(t, "explain --at of a file", h.cli(append(then, of...)...).done(t), `(?s)At \S+ ext-never is running .*`)
	matches(t, "explain of a file", h.cli(append([]string{"explain", "never", "--at", fmt.Sprint(failed.GetSeq())}, of...)...).done(t), `(?s)At \S+ `+why)
	matches(t, "replay --check of a file", h.cli(append([]string{"replay", "--check"}, of...)...).done(t), `.* 0 differ\s*`)
}
