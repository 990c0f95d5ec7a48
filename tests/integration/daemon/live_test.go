package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Two hundred edits of a service file within two seconds are at most two restarts, and the last content runs.
func TestManyEdits(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("edited", "restart: always", "print", "first", "serve")

	const id = "ext-edited"

	d := h.start()
	before := d.started(t, 0, id).GetSeq()

	const edits = 200

	pace := time.NewTicker(2 * time.Second / edits)
	defer pace.Stop()

	for edit := range edits {
		h.service("edited", "restart: always", "print", fmt.Sprint("edit ", edit), "serve")
		<-pace.C
	}

	h.printed(id, fmt.Sprint("edit ", edits-1))
	pid := d.state(t, id, "Running").GetPid()
	d.event(t, before, id, fmt.Sprintf(`Started task %s \(PID %d\).*`, id, pid)) // the events come by another stream

	var starts int

	for _, line := range d.history(id) {
		if strings.HasPrefix(line, "Started") {
			starts++
		}
	}

	if restarts := starts - 1; restarts < 1 || restarts > 2 {
		t.Errorf("%d restarts after record %d:\n%s", restarts, before, list(d.history(id)))
	}
}

// A file is added, saved again as it was in the ways of editors, and removed.
func TestFilesComeAndGo(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("waiting", "restart: always\ndepends: [{service: ext-late}]", "serve")

	d := h.start()
	d.event(t, 0, "ext-waiting", `.*service "ext-late" to be registered`)
	h.service("late", "restart: always", "print", "ready", "serve")
	d.started(t, 0, "ext-late")
	d.started(t, 0, "ext-waiting")
	h.printed("ext-late", "ready")

	file := filepath.Join(h.services, "late.yaml")
	text, err := os.ReadFile(file)
	must(t, err)

	must(t, os.WriteFile(file, text, 0o644)) // truncate and write
	must(t, os.WriteFile(file+"~", text, 0o644))
	must(t, os.Rename(file+"~", file)) // rename over

	// A later change that is seen to be done shows that the saves were seen before it.
	h.service("witness", "restart: always", "serve")
	d.started(t, 0, "ext-witness")

	must(t, os.Remove(file))
	d.event(t, 0, "ext-late", "Stopping because the service file is gone")
	d.event(t, 0, "ext-late", "Service was stopped because its file is gone")

	var starts int

	for _, line := range d.history("ext-late") {
		if strings.HasPrefix(line, "Started") {
			starts++
		}
	}

	if starts != 1 {
		t.Errorf("%d starts:\n%s", starts, list(d.history("ext-late")))
	}

	d.state(t, "ext-waiting", "Running") // what runs is left alone
}
