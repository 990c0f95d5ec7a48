package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// newDisk mounts a disk of its own that can be broken.
func newDisk(t *testing.T, point string) (fail func()) {
	t.Helper()

	image := filepath.Join(t.TempDir(), "image")

	for _, command := range [][]string{
		{"truncate", "--size=32M", image}, {"mkfs.ext4", "-q", image}, {"mkdir", "-p", point}, {"mount", "-o", "loop", image, point},
	} {
		output, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil && os.Getenv("CI") != "true" {
			t.Skipf("SKIPPED: needs mkfs.ext4 and a loop device: %v: %s", err, output)
		}

		must(t, err)
	}

	t.Cleanup(func() { must(t, unix.Unmount(point, 0)) })

	return func() {
		disk, err := os.Open(point)
		must(t, err)

		defer disk.Close()

		// From now on everything but what the kernel remembers is an I/O error.
		const shutdown, withoutLog = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN

		must(t, unix.IoctlSetPointerInt(int(disk.Fd()), shutdown, withoutLog))
	}
}

// A disk that breaks stops the recording, never the services, and not the next daemon either.
func TestStateDiskBreaks(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	disk := filepath.Join(h.dir, "disk")
	fail := newDisk(t, disk)
	h.state = filepath.Join(disk, "state")
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")

	pid := d.state(t, "ext-steady", "Running").GetPid()

	fail()
	h.cli("service", "steady", "status").done(t)
	h.end(unix.SIGKILL)

	d = h.start()
	d.line(t, "journal: degraded")

	if now := d.state(t, "ext-steady", "Running"); now.GetPid() != pid {
		t.Errorf("it was not adopted: %v", now)
	}

	h.cli("service", "steady", "restart").done(t)
	until(t, "another task", func() bool { return d.state(t, "ext-steady", "Running").GetPid() != pid })
	h.end(unix.SIGTERM)
}

// So does one that never answers.
func TestStateDiskDoesNotAnswer(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	silent := filepath.Join(h.dir, "silent")
	mountSilent(t, silent)
	h.state = filepath.Join(silent, "state")
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.line(t, "journal: degraded")
	d.started(t, 0, "ext-steady")
	h.cli("service", "steady", "restart").done(t)

	if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("the daemon ended with %v", status)
	}
}

// A daemon whose service files lie on a disk that does not answer leaves alone what runs, can be asked, and reads the files
// once it can.
func TestServiceFilesDoNotAnswer(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")

	pid := d.state(t, "ext-steady", "Running").GetPid()

	h.end(unix.SIGKILL)

	silent := filepath.Join(h.dir, "silent")
	mountSilent(t, silent)
	must(t, unix.Mount(silent, h.services, "", unix.MS_BIND, ""))

	covered := sync.OnceValue(func() error { return unix.Unmount(h.services, unix.MNT_DETACH) })
	t.Cleanup(func() { must(t, covered()) })

	d = h.start()
	d.line(t, "has not answered")

	if now := d.state(t, "ext-steady", "Running"); now.GetPid() != pid {
		t.Errorf("it was not left alone: %v", now)
	}

	must(t, covered())

	now := d.status(t, "ext-steady", "its file to be read", func(now *service) bool { return now.GetFileProblem() == "" })
	if now.GetPid() != pid {
		t.Errorf("it was restarted: %v", now)
	}
}
