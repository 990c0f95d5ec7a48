package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corner is one change of a document, at one point of the life of its service.
type corner struct {
	situation string // waiting, preparing, running, backoff, stopped
	change    string // added, changed, deleted
	needed    bool   // the service depends on its document
	starts    int    // of the task, from first to last
}

var corners = []corner{
	{"waiting", "added", true, 1},
	{"waiting", "changed", true, 1},
	{"waiting", "deleted", true, 0},
	{"preparing", "added", false, 1},
	{"preparing", "changed", true, 1},
	{"preparing", "deleted", false, 1},
	{"preparing", "deleted", true, 0},
	{"running", "added", false, 2},
	{"running", "changed", true, 2},
	{"running", "deleted", false, 2},
	{"running", "deleted", true, 1},
	{"backoff", "added", false, 2},
	{"backoff", "changed", true, 2},
	{"backoff", "deleted", false, 2},
	{"backoff", "deleted", true, 1},
	{"stopped", "added", false, 2},
	{"stopped", "changed", true, 2},
	{"stopped", "deleted", false, 2},
}

// A document is added, changed and deleted at each point of the life of its service, by command and by hand: what runs
// restarts once, what waits starts or waits on, what waits after a failure tries at once, what is stopped stays so.
func TestConfigCorners(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("witness", "restart: always", "serve")

	d := h.start()
	witness := d.started(t, 0, "ext-witness")

	// Where a mount source that is missing is waited for.
	devices, err := os.MkdirTemp("/dev/shm", "extactor-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(devices)) })

	stories := map[string]*story{}

	for _, row := range corners {
		for _, by := range []string{"command", "hand"} {
			name := fmt.Sprintf("%s-%s-%s", row.situation, row.change, by)
			if row.change == "deleted" && row.needed {
				name += "-needed"
			}

			stories[name] = &story{corner: row, d: d, name: name, id: "ext-" + name, byHand: by == "hand", device: filepath.Join(devices, name)}
		}
	}

	t.Run("rows", func(t *testing.T) {
		for name, one := range stories {
			t.Run(name, func(t *testing.T) {
				t.Parallel()

				here := *h
				here.t, one.h, one.t = t, &here, t
				one.play()
			})
		}
	})

	// Once a later change is seen to be done, nothing more comes of the earlier ones.
	edited := &story{name: "witness", h: h, t: t, byHand: true}
	edited.write("new")
	d.started(t, witness.GetSeq(), "ext-witness")

	for name, one := range stories {
		if starts := strings.Count(list(d.history(one.id)), "  Started task "); starts != one.starts {
			t.Errorf("%s started %d times, not %d:\n%s", name, starts, one.starts, list(d.history(one.id)))
		}
	}
}

// story is what happens in one row.
type story struct {
	corner
	t      *testing.T
	h      *host
	d      *daemon
	name   string
	id     string
	byHand bool
	device string // the mount source that the service waits for while it prepares
}

func (s *story) play() {
	if s.change != "added" {
		s.write("old")
		s.h.cli("reload") // it is seen before the service is
	}

	s.service()
	s.reach()
	before := s.d.now(s.t)
	s.act()
	s.follow(before)
}

func (s *story) gate() string { return filepath.Join(s.h.dir, s.name+".gate") }

// service writes the file of a service that gets into the situation by itself, or nearly so.
func (s *story) service() {
	s.t.Helper()

	inner := container{Entrypoint: "./program", Args: []string{"environment", "WORD", "look", "/word", "serve"}}
	rest := "restart: always\n"

	var depends []string
	if s.needed {
		depends = append(depends, "{configuration: true}")
	}

	switch s.situation {
	case "waiting":
		if s.change != "added" {
			depends = append(depends, "{path: "+s.gate()+"}")
		}
	case "preparing":
		inner.Mounts = []mount{bind(s.device, "/device")}
	case "backoff":
		inner.Args = []string{"environment", "WORD", "look", "/word", "exit", "1"}
		rest += "extactor: {backoff: {initial: 1h, max: 1h}}\n"
	}

	rest += "depends: [" + strings.Join(depends, ", ") + "]"

	rootfs := filepath.Join(s.h.rootfs, s.name)
	must(s.t, os.MkdirAll(rootfs, 0o755))
	must(s.t, os.Link(programPath, filepath.Join(rootfs, "program")))
	s.h.file(s.name, inner, rest)
}

// reach waits until the service is in the situation.
func (s *story) reach() {
	s.t.Helper()

	switch s.situation {
	case "waiting":
		s.d.event(s.t, 0, s.id, map[bool]string{
			true: "Waiting for extension service config", false: `Waiting for file ".*" to exist`,
		}[s.change == "added"])
	case "preparing":
		s.d.event(s.t, 0, s.id, "Running pre state")
	case "backoff":
		s.d.event(s.t, 0, s.id, "Going to restart in 1h0m0s: exited with code 1")
	default:
		s.d.started(s.t, 0, s.id)
		s.h.printed(s.id, map[bool]string{true: "nothing", false: "old content"}[s.change == "added"])
	}

	if s.situation == "stopped" {
		s.h.cli("service", s.name, "stop").done(s.t)
		s.d.state(s.t, s.id, "Finished")
	}
}

// act makes the change.
func (s *story) act() {
	s.t.Helper()

	switch {
	case s.change != "deleted":
		s.write("new")
	case s.byHand:
		must(s.t, os.Remove(filepath.Join(s.h.config, s.name+".yaml")))
	default:
		s.h.cli("config", "delete", s.name).done(s.t)
	}
}

// write gives the service a document.
func (s *story) write(word string) {
	s.t.Helper()

	path := s.h.document(s.name, word+" word", word+" content")
	if s.byHand {
		must(s.t, os.Rename(path, filepath.Join(s.h.config, s.name+".yaml")))
	} else {
		s.h.cli("config", "apply", "-f", path).done(s.t)
	}
}

// follow checks what comes of the change.
func (s *story) follow(before uint64) {
	s.t.Helper()

	switch s.situation {
	case "waiting":
		s.h.cli("reload") // the change is seen before the gate is
		must(s.t, os.WriteFile(s.gate(), nil, 0o644))
	case "preparing":
		s.d.event(s.t, before, s.id, "Restarting with the changed configuration")
		must(s.t, os.Mkdir(s.device, 0o755))
	case "running":
		s.d.event(s.t, before, s.id, "Restarting with the changed configuration")
	case "stopped":
		s.h.cli("reload")

		if stopped := s.d.state(s.t, s.id, "Finished"); stopped.GetDesired() != "stopped" {
			s.t.Errorf("it is %v", stopped)
		}

		s.h.cli("service", s.name, "start").done(s.t)
	}

	if s.change == "deleted" && s.needed {
		s.d.event(s.t, before, s.id, "Waiting for extension service config")
		s.d.state(s.t, s.id, "Waiting")

		return
	}

	s.d.started(s.t, before, s.id)

	content, lines := "new content", "new word\nnew content\n"
	if s.change == "deleted" {
		content, lines = "nothing", "\nnothing\n"
	}

	s.h.printed(s.id, content)

	if log := s.h.cli("logs", s.id).done(s.t); !strings.HasSuffix("\n"+log, "\n"+lines) {
		s.t.Errorf("it printed %q, which does not end in %q", log, lines)
	}
}

// Each file has its own content, however alike the paths are, and in whichever service.
func TestConfigPaths(t *testing.T) {
	t.Parallel()

	h := newHost(t)

	for _, name := range []string{"one", "two"} {
		h.service(name, "restart: always\ndepends: [{configuration: true}]", "look", "/a/b-c", "look", "/a-b/c", "print", "done", "serve")
		text := fmt.Sprintf("apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: %[1]s\nconfigFiles:\n"+
			"  - {content: first of %[1]s, mountPath: /a/b-c}\n  - {content: second of %[1]s, mountPath: /a-b/c}\n", name)
		must(t, os.WriteFile(filepath.Join(h.config, name+".yaml"), []byte(text), 0o600))
	}

	d := h.start()

	for _, name := range []string{"one", "two"} {
		d.started(t, 0, "ext-"+name)
		h.printed("ext-"+name, "done")
		equalText(t, h.cli("logs", name).done(t), fmt.Sprintf("first of %[1]s\nsecond of %[1]s\ndone\n", name))
	}
}

// What a changed document does to a running service is as its file says.
func TestOnConfigChange(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	apply := func(name, word, content string) {
		t.Helper()
		h.cli("config", "apply", "-f", h.document(name, word, content)).done(t)
	}

	for name, policy := range map[string]string{"signalled": "signal", "left": "none"} {
		h.service(name, "restart: always\nextactor: {onConfigChange: "+policy+"}", "environment", "WORD", "reread", "/word")
		must(t, os.Rename(h.document(name, "word1", "content1"), filepath.Join(h.config, name+".yaml")))
	}

	d := h.start()

	const signalled, left = "ext-signalled", "ext-left"

	d.started(t, 0, signalled)
	d.started(t, 0, left)
	h.printed(signalled, "content1")
	h.printed(left, "content1")

	pid := func(id string) uint32 { return d.state(t, id, "Running").GetPid() }
	first, untouched := pid(signalled), pid(left)

	// Only a file: the same process is told, and reads the new content.
	before := d.now(t)
	apply("signalled", "word1", "content2")
	d.event(t, before, signalled, "Configuration changed, sending SIGHUP to task ext-signalled")
	h.printed(signalled, "content2")

	if now := pid(signalled); now != first {
		t.Errorf("it runs as %d, not %d:\n%s", now, first, list(d.history(signalled)))
	}

	// The environment too: no signal can bring that.
	before = d.now(t)
	apply("signalled", "word2", "content3")
	d.event(t, before, signalled, "Restarting with the changed configuration")
	d.started(t, before, signalled)
	h.printed(signalled, "word2")
	h.printed(signalled, "content3")

	// Whoever wants none of it is left alone.
	before = d.now(t)
	apply("left", "word2", "content2")
	matches(t, "status", h.cli("status", left, "-o", "json").done(t), `(?s).*"restartPending": *true.*`)

	if now := pid(left); now != untouched {
		t.Errorf("it runs as %d, not %d:\n%s", now, untouched, list(d.history(left)))
	}

	h.cli("service", left, "restart").done(t)
	d.started(t, before, left)
	h.printed(left, "word2")
	h.printed(left, "content2")

	if status := h.cli("status", left, "-o", "json").done(t); strings.Contains(status, `"restartPending": true`) {
		t.Errorf("after the restart:\n%s", status)
	}

	if restarts := strings.Count(list(d.history(left)), "Restarting"); restarts != 0 {
		t.Errorf("%d restarts by itself:\n%s", restarts, list(d.history(left)))
	}
}
