package daemon_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A signal reaches the program, which decides what follows; who has no program is refused.
func TestKill(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	data := filepath.Join(h.dir, "data")
	must(t, os.Mkdir(data, 0o755))
	must(t, os.WriteFile(filepath.Join(data, "word"), []byte("before"), 0o644))

	h.service("reader", "restart: always")
	h.file("reader", container{Entrypoint: "./program", Args: []string{"reread", "/data/word"}, Mounts: []mount{bind(data, "/data")}}, "restart: always")
	h.service("over", "restart: never", "exit", "0")

	d := h.start()
	started := d.started(t, 0, "ext-reader")
	h.printed("reader", "before")
	must(t, os.WriteFile(filepath.Join(data, "word"), []byte("after"), 0o644))

	matches(t, "kill", h.cli("kill", "reader", "-s", "HUP").done(t), `NODE +RESPONSE\n\S+ +Service "ext-reader" was sent SIGHUP\n`)
	d.event(t, started.GetSeq(), "ext-reader", `Sending SIGHUP to task ext-reader \(PID \d+\)`)
	h.printed("reader", "after")

	// It runs on, until it is told something that it ends by; then its restart policy counts.
	h.cli("kill", "ext-reader", "-s", "15").done(t)
	d.started(t, started.GetSeq(), "ext-reader")

	d.state(t, "ext-over", "Finished")

	for words, want := range map[[2]string]string{
		{"over", "HUP"}:    `extactor: cannot send SIGHUP to service "ext-over": it is Finished, and has no task` + "\n",
		{"reader", "KILL"}: `extactor: "KILL" is no signal that a program can handle: allowed is for example SIGHUP, USR1 or 1; to end a service: extactor service ID stop` + "\n",
	} {
		if asked := h.cli("kill", words[0], "-s", words[1]); asked.code != 1 || asked.stderr != want {
			t.Errorf("%v: %+v", words, asked)
		}
	}
}
