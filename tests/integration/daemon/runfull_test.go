package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the run directory is full, services go on whatever dies, and the next daemon looks after them. What cannot be done
// without room is done once there is some.
func TestRunDirectoryIsFull(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	mountTmpfs(t, h.run, "size=48m,mode=700", 0)
	t.Cleanup(func() { must(t, unix.Unmount(h.run, unix.MNT_DETACH)) })

	runc, err := exec.LookPath("runc")
	must(t, err)

	h.flags = []string{"--oci-runtime", runc} // it is tried out, being a path, before it is used
	h.service("steady", "restart: always", "serve")
	h.service("talker", "restart: always", "count")

	d := h.start()
	pids := map[string]uint32{}

	for _, id := range []string{"ext-steady", "ext-talker"} {
		d.started(t, 0, id)
		pids[id] = d.state(t, id, "Running").GetPid()
	}

	h.printed("ext-talker", "10")

	filler := filepath.Join(h.run, "filler")
	fillUp(t, filler)

	logd := h.part("logd")
	must(t, unix.Kill(logd, unix.SIGKILL))
	h.nextLogd(logd)

	h.end(unix.SIGKILL)
	fillUp(t, filler)

	d = h.start()

	for id, pid := range pids {
		if now := d.state(t, id, "Running"); now.GetPid() != pid {
			t.Errorf("%s was not adopted: %v", id, now)
		}
	}

	before := d.now(t)

	fillUp(t, filler)
	must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
	d.event(t, before, "containerd", "(?s)Waiting for containerd: .*")
	must(t, os.Remove(filler))
	d.event(t, before, "containerd", "Connected to containerd .*")

	h.cli("service", "steady", "restart").done(t)
	d.started(t, before, "ext-steady")

	if now := d.state(t, "ext-talker", "Running"); now.GetPid() != pids["ext-talker"] {
		t.Errorf("it was restarted: %v", now)
	}

	h.end(unix.SIGTERM)
}
