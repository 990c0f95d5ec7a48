package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Two daemons on one containerd have services of the same names, and neither ever touches those of the other, however its
// own end.
func TestNeighbours(t *testing.T) {
	t.Parallel()

	address := hostContainerd(t)
	names := []string{"one", "two", "gone"}
	hosts := []*host{newHost(t), newHost(t)}
	daemons := make([]*daemon, len(hosts))

	for index, h := range hosts {
		h.containerd = address
		h.service("one", "restart: always", "print", fmt.Sprint("of host ", index), "serve")
		h.service("two", "restart: always", "print", fmt.Sprint("of host ", index), "await", "exit", "3")
		h.service("gone", "restart: always", "print", fmt.Sprint("of host ", index), "serve")

		daemons[index] = h.start()
		for _, name := range names {
			daemons[index].started(t, 0, "ext-"+name)
			h.printed("ext-"+name, fmt.Sprint("of host ", index))
		}
	}

	mine, other := hosts[0], hosts[1]
	d, quiet := daemons[0], daemons[1]
	before, lines := map[string]*service{}, map[string][]string{}

	for _, name := range names {
		id := "ext-" + name
		before[id], lines[id] = quiet.state(t, id, "Running"), quiet.history(id)
	}

	untouched := func(moment string) {
		t.Helper()

		for id, was := range before {
			if err := unix.Kill(int(was.GetPid()), 0); err != nil {
				t.Errorf("%s: %s of the other: %v", moment, id, err)
			}

			if now := quiet.state(t, id, "Running"); now.GetPid() != was.GetPid() || now.GetAttempt() != was.GetAttempt() {
				t.Errorf("%s: %s of the other is %v", moment, id, now)
			}

			if got := quiet.history(id); !slices.Equal(got, lines[id]) {
				t.Errorf("%s: EVENTS of %s of the other are\n%s", moment, id, list(got))
			}
		}
	}

	for _, id := range []string{"ext-one", "ext-two", "ext-gone"} {
		if pid := d.state(t, id, "Running").GetPid(); pid == before[id].GetPid() {
			t.Errorf("%s of both is the process %d", id, pid)
		}
	}

	since := d.now(t)

	mine.cli("service", "one", "stop").done(t)
	d.state(t, "ext-one", "Finished")
	untouched("a stop")

	mine.cli("service", "one", "start").done(t)
	restarted := d.started(t, since, "ext-one")
	mine.cli("service", "one", "restart").done(t)
	d.started(t, restarted.GetSeq(), "ext-one")
	untouched("a restart")

	proceed(t, int(d.state(t, "ext-two", "Running").GetPid()))
	d.started(t, since, "ext-two")
	untouched("an exit")

	must(t, unix.Kill(int(d.state(t, "ext-two", "Running").GetPid()), unix.SIGKILL))
	d.event(t, since, "ext-two", `Task ext-two \(PID \d+\) was ended by signal 9 \(SIGKILL\).*`)
	untouched("a kill")

	// What runs without a file is an orphan of its own daemon alone.
	mine.end(unix.SIGKILL)
	must(t, os.Remove(filepath.Join(mine.services, "gone.yaml")))

	d = mine.start()
	d.event(t, since, "ext-gone", "Service was stopped because its file is gone")
	d.event(t, since, "ext-one", "Adopted .*")
	untouched("a death of the daemon")

	if status := mine.end(unix.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("after SIGTERM: %v", status)
	}

	if left := mine.leftovers(); len(left) > 0 {
		t.Errorf("left behind:\n%s", list(left))
	}

	untouched("a shutdown")

	// And it is under its own control as before.
	last := quiet.now(t)
	other.cli("service", "one", "restart").done(t)
	quiet.started(t, last, "ext-one")
}
