package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// A run directory that can take no further file keeps nobody from looking after what runs. Commands are taken once it can.
func TestRunDirectoryTakesNoFile(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	mountTmpfs(t, h.run, "size=48m,nr_inodes=1000,mode=700", 0)
	t.Cleanup(func() { must(t, unix.Unmount(h.run, unix.MNT_DETACH)) })

	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")

	pid := d.state(t, "ext-steady", "Running").GetPid()

	h.end(unix.SIGUSR1) // which removes the socket

	many := filepath.Join(h.run, "many")
	must(t, os.Mkdir(many, 0o700))

	for number, err := 0, error(nil); err == nil; number++ {
		err = os.WriteFile(filepath.Join(many, strconv.Itoa(number)), nil, 0o600)
	}

	d = h.launch()
	h.ready(d)
	d.line(t, "no command reaches the daemon until there is room")
	must(t, os.RemoveAll(many))
	until(t, "the socket", func() bool { _, err := os.Stat(h.socket()); return err == nil })
	h.connect(d)

	if now := d.state(t, "ext-steady", "Running"); now.GetPid() != pid {
		t.Errorf("it was not adopted: %v", now)
	}

	h.end(unix.SIGTERM)
}
