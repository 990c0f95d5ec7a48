package daemon_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci/cgroup"
)

// How tasks end, and what follows.
func TestRestartPolicies(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	data := filepath.Join(h.dir, "data")
	must(t, os.Mkdir(data, 0o755))

	h.service("never", "restart: never", "print", "one", "print", "it is over", "exit", "3")
	h.service("never-clean", "restart: never", "exit", "0")
	h.service("crash", "restart: never", "crash")
	h.service("loop", "restart: always", "exit", "1")
	h.service("clean", "restart: always", "exit", "0")
	h.service("until", "restart: untilSuccess")
	h.file("until", container{
		Entrypoint: "./program", Args: []string{"exit-by", "/data/code"}, Mounts: []mount{bind(data, "/data")},
	}, "restart: untilSuccess")

	d := h.start()

	for id, patterns := range map[string][]string{
		"ext-never": {
			`Task ext-never \(PID \d+\) exited with code 3: last line "it is over"`,
			`Failed to run service: exited with code 3`,
		},
		"ext-never-clean": {`Task ext-never-clean \(PID \d+\) exited without error`, `Service finished successfully`},
		"ext-crash": {
			`Task ext-crash \(PID \d+\) was ended by signal 11 \(SIGSEGV\)`,
			`Failed to run service: was ended by signal 11 \(SIGSEGV\)`,
		},
		"ext-clean": {`Going to restart in 5s: exited without error`},
		"ext-until": {`Task ext-until \(PID \d+\) exited with code 1`, `Going to restart in 100ms: exited with code 1`},
		"ext-loop": {
			`Going to restart in 100ms: exited with code 1`, `Going to restart in 200ms: exited with code 1`,
			`Going to restart in 400ms: exited with code 1`, `Going to restart in 800ms: exited with code 1`,
		},
	} {
		var after uint64
		for _, pattern := range patterns {
			after = d.event(t, after, id, pattern).GetSeq()
		}
	}

	must(t, os.WriteFile(filepath.Join(data, "code"), []byte("0\n"), 0o644))
	d.event(t, 0, "ext-until", "Service finished successfully")

	for id, state := range map[string]string{
		"ext-never": "Failed", "ext-never-clean": "Finished", "ext-crash": "Failed", "ext-until": "Finished",
	} {
		d.state(t, id, state)
	}

	if exit := d.state(t, "ext-crash", "Failed").GetLastExit(); exit.GetSignal() != 11 || exit.GetCode() != 139 || !exit.GetKnown() {
		t.Errorf("the exit by a signal: %v", exit)
	}

	if retry := d.status(t, "ext-clean", "its retry", func(s *service) bool { return s.GetNextRetry() != nil }); retry.GetState() != "Waiting" {
		t.Errorf("between two runs: %v", retry)
	}

	// A person need not wait for the next try.
	before := d.now(t)
	h.cli("service", "clean", "restart").done(t)
	d.started(t, before, "ext-clean")
}

// A task that the kernel kills for lack of memory is told from others.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("greedy", "restart: never", "print", "ready", "await", "allocate", "256", "serve")

	d := h.start()
	d.started(t, 0, "ext-greedy")
	h.printed("ext-greedy", "ready")
	limitMemory(t, h.cgroup()+"/ext-greedy", "33554432")
	proceed(t, int(d.state(t, "ext-greedy", "Running").GetPid()))
	d.event(t, 0, "ext-greedy", `Task ext-greedy \(PID \d+\) was killed for lack of memory \(exit code 137\): last line "ready"`)

	if exit := d.state(t, "ext-greedy", "Failed").GetLastExit(); !exit.GetOom() || exit.GetSignal() != 9 {
		t.Errorf("the exit: %v", exit)
	}
}

func limitMemory(t testing.TB, group, bytes string) {
	t.Helper()

	directories, err := cgroup.Directories(group)
	must(t, err)

	for _, directory := range directories {
		for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
			path := filepath.Join(directory, file)
			if _, err := os.Stat(path); err == nil {
				must(t, os.WriteFile(path, []byte(bytes), 0))

				return
			}
		}
	}

	t.Fatalf("no limit of memory can be set in %q", directories)
}
