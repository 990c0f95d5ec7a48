package daemon_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// Without a daemon every command says so, and how to start one.
func TestNoDaemon(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	want := fmt.Sprintf("extactor: no extactor daemon answers at %s; start one with: extactor daemon\n", h.socket())

	for _, words := range [][]string{
		{"status"}, {"status", "x"}, {"status", "--watch"}, {"service"}, {"service", "x", "stop"}, {"logs", "x"},
	} {
		if asked := h.cli(words...); asked.code != 1 || asked.stderr != want || asked.stdout != "" {
			t.Errorf("%v: %+v", words, asked)
		}
	}

	// Of what can be read from a file that is said too.
	past := strings.TrimSuffix(want, "\n") + "; for a journal without a daemon: --journal /var/lib/extactor\n"
	if asked := h.cli("events"); asked.code != 1 || asked.stderr != past || asked.stdout != "" {
		t.Errorf("events: %+v", asked)
	}

	// What needs no daemon works.
	h.cli("completion", "bash").done(t)
	matches(t, "version", h.cli("version").stdout, `CLIENT +\S+\nDAEMON +no extactor daemon answers at .*\n`)
}

// Mistakes in the command line have a code of their own.
func TestUsage(t *testing.T) {
	t.Parallel()

	h := &host{t: t, run: "/nonexistent"}

	for _, words := range [][]string{
		{"no-such-command"}, {"logs"}, {"status", "--no-such-flag"}, {"status", "-o", "xml"},
		{"service", "a", "explode"}, {"validate"}, {"oci"}, {"daemon", "extra"}, {"daemon", "--console", "paper"},
	} {
		if asked := h.cli(words...); asked.code != 2 || !strings.HasPrefix(asked.stderr, "extactor: ") || asked.stdout != "" {
			t.Errorf("%v: %+v", words, asked)
		}
	}
}

// The socket is for the daemon's own user; it is found by flag or variable.
func TestSocket(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.start()

	information, err := os.Stat(h.socket())
	must(t, err)

	if mode := information.Mode(); mode != os.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v", mode)
	}

	none := "EXTACTOR_SOCKET=" + filepath.Join(h.dir, "none.sock")
	h.cliWith([]string{none}, "status", "--socket", h.socket()).done(t)

	if asked := h.cliWith([]string{none}, "status"); asked.code != 1 || !strings.Contains(asked.stderr, "none.sock") {
		t.Errorf("by the variable: %+v", asked)
	}

	// Somebody else, who can reach the socket's directory but not write to the socket.
	must(t, os.Chmod(h.dir, 0o755))

	open := filepath.Join(h.dir, "extactor") // where others may go
	content, err := os.ReadFile(extactor)
	must(t, err)
	must(t, os.WriteFile(open, content, 0o755))

	command := exec.CommandContext(t.Context(), open, "status", "--socket", h.socket())
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}

	said, _ := command.CombinedOutput()
	want := fmt.Sprintf("extactor: cannot open %s: permission denied; the daemon answers its own user only: try as root (sudo)\n", h.socket())

	if command.ProcessState.ExitCode() != 1 || string(said) != want {
		t.Errorf("as nobody: exit code %d, %s", command.ProcessState.ExitCode(), said)
	}
}

// Programs read status and events as JSON or YAML.
func TestDocuments(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("ending", "restart: never", "print", "over", "exit", "3")
	h.service("waiting", "restart: never\ndepends: [{service: ext-nobody}, {path: "+filepath.Join(h.dir, "gate")+"}]", "serve")

	d := h.start()
	d.state(t, "ext-ending", "Failed")
	d.event(t, 0, "ext-waiting", `Waiting for service "ext-nobody" to be registered, file ".*" to exist`)

	for output, parse := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": func(data []byte, into any) error {
		return yaml.Unmarshal(data, into)
	}} {
		var document struct {
			APIVersion string           `json:"apiVersion"`
			Revision   uint64           `json:"revision"`
			Services   []map[string]any `json:"services"`
		}

		must(t, parse([]byte(h.cli("status", "-o", output).done(t)), &document))

		if document.APIVersion != "extactor.v1" || document.Revision == 0 {
			t.Fatalf("%s: %v", output, document)
		}

		document.Services = slices.DeleteFunc(document.Services, func(one map[string]any) bool {
			return !strings.HasPrefix(one["id"].(string), "ext-") // built in
		})
		if len(document.Services) != 2 {
			t.Fatalf("%s: %v", output, document)
		}

		checkDocument(t, output, document.Services[0], document.Services[1])
	}

	var last map[string]any

	lines := strings.Split(strings.TrimSpace(h.cli("events", "ending", "-o", "json").done(t)), "\n")
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))

	if last["service"] != "ext-ending" || last["kind"] != "ServiceFailed" || last["state"] != "Failed" ||
		last["message"] != "Failed to run service: exited with code 3" || last["seq"].(float64) == 0 {
		t.Errorf("the last event: %v", last)
	}
}

// checkDocument checks the fields that section "status" of the documentation promises.
func checkDocument(t *testing.T, output string, ending, waiting map[string]any) {
	t.Helper()

	for _, field := range []string{
		"id", "desired", "state", "health", "attempt", "restarts", "pid", "since", "nextRetry", "waitingFor", "lastExit", "problem",
	} {
		if _, there := ending[field]; !there {
			t.Errorf("%s: no field %q in %v", output, field, slices.Sorted(maps.Keys(ending)))
		}
	}

	exit := ending["lastExit"].(map[string]any)
	if ending["id"] != "ext-ending" || ending["desired"] != "started" || ending["state"] != "Failed" ||
		fmt.Sprint(exit["code"], exit["signal"], exit["oom"], exit["known"]) != "3 0 false true" || ending["nextRetry"] != nil {
		t.Errorf("%s: %v", output, ending)
	}

	var keys []string
	for _, one := range waiting["waitingFor"].([]any) {
		keys = append(keys, one.(map[string]any)["key"].(string))
	}

	if len(keys) != 2 || keys[0] != "service:ext-nobody" || !strings.HasPrefix(keys[1], "path:/") || waiting["lastExit"] != nil {
		t.Errorf("%s: %v", output, waiting)
	}
}

// A watch on a pipe prints a row for each change, and ends when it is interrupted or the daemon goes.
func TestWatch(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("watched", "restart: always", "serve")

	d := h.start()
	d.state(t, "ext-watched", "Running")

	watch, documents := h.background("status", "watched", "--watch"), h.background("status", "watched", "--watch", "-o", "json")
	row := func(state string) {
		watch.lines.await(t, "a row with "+state, func(line string) bool {
			words := strings.Fields(line)

			return len(words) > 1 && words[0] == "ext-watched" && words[1] == state
		})
		documents.lines.await(t, "a document with "+state, func(line string) bool {
			var document struct{ Services []struct{ State string } }

			return json.Unmarshal([]byte(line), &document) == nil && len(document.Services) == 1 && document.Services[0].State == state
		})
	}

	row("Running")
	h.cli("service", "watched", "stop").done(t)
	row("Finished")
	watch.interrupt()
	h.end(syscall.SIGTERM)
	await(t, "the end of the watch with the daemon", documents.ended)
}
