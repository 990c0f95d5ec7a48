package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// missing fails, or skips where that is allowed.
func missing(t testing.TB, what string) {
	t.Helper()

	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s", what)
	}

	t.Skipf("SKIPPED: needs %s", what)
}

// mountSilent mounts a FUSE file system whose server never answers, as a dead NFS server does, until the test ends.
func mountSilent(t testing.TB, path string) {
	t.Helper()

	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		missing(t, "FUSE: "+err.Error())
	}

	server := os.NewFile(uintptr(fuse), "fuse")
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse)

	must(t, os.Mkdir(path, 0o700))

	if err := unix.Mount("silent", path, "fuse.silent", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		missing(t, "FUSE: "+err.Error())
	}

	t.Cleanup(func() {
		must(t, server.Close()) // what still hangs ends
		must(t, unix.Unmount(path, unix.MNT_DETACH))
	})
}

// A start that hangs in a mount holds up no other service, nor a person, nor the daemon's end; status says what hangs.
func TestStartHangsInAMount(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	silent, gate := filepath.Join(h.dir, "silent"), filepath.Join(h.dir, "gate")
	mountSilent(t, silent)

	hanging := func(name string, mounts ...mount) {
		h.service(name, "", "serve")
		h.file(name, container{Entrypoint: "./program", Args: []string{"serve"}, Mounts: mounts}, "restart: always")
	}

	hanging("looking", bind(silent, "/data"))

	// The runtime itself hangs: as many starts as may be under way at a time.
	starts := 2 * runtime.NumCPU()
	for index := range starts {
		hanging(fmt.Sprintf("mounting%d", index), mount{
			Source: "overlay", Destination: "/data", Type: "overlay", Options: []string{"lowerdir=" + silent + ":" + h.rootfs},
		})
	}

	h.service("fine", "restart: always\ndepends: [{path: "+gate+"}]", "serve")

	d := h.start()
	for index := range starts {
		d.event(t, 0, fmt.Sprintf("ext-mounting%d", index), "Creating service runner")
	}

	// Each has its slot and hangs: its runtime waits in the mount.
	for index := range starts {
		until(t, "a runtime that hangs", func() bool { return h.hangs(fmt.Sprintf("ext-mounting%d", index)) })
	}

	must(t, os.WriteFile(gate, nil, 0o644))
	d.started(t, 0, "ext-fine")

	for index := range starts {
		if now := d.state(t, fmt.Sprintf("ext-mounting%d", index), "Preparing"); now.GetAttempt() != 1 {
			t.Errorf("%s does not hang: %v", now.GetId(), now)
		}
	}

	until(t, "explain to say that it hangs", func() bool {
		why, err := d.client.Extactor.Explain(t.Context(), &apiv1.ExplainRequest{Id: "mounting0"})
		must(t, err)

		return strings.Contains(strings.Join(why.GetRootCauses(), "\n"), "does not answer")
	})

	said := d.event(t, 0, "ext-looking", "Going to restart in .* does not answer: .*")
	if !strings.Contains(said.GetMessage(), silent) {
		t.Errorf("it is not said what hangs: %s", said.GetMessage())
	}

	for _, name := range []string{"looking", "mounting0"} {
		h.cli("service", name, "stop").done(t)
		d.state(t, "ext-"+name, "Finished")
	}

	if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("the daemon ended with %v", status)
	}

	if left := h.leftovers(); len(left) > 0 {
		t.Errorf("left behind while the file system hangs:\n%s", list(left))
	}
}

// hangs tells whether a process of a service waits for the silent file system.
func (h *host) hangs(id string) bool {
	h.t.Helper()

	return slices.ContainsFunc(h.members(id), func(pid int) bool {
		function, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "wchan"))

		return err == nil && (strings.Contains(string(function), "fuse") || string(function) == "request_wait_answer")
	})
}

// A disk that hangs, in a write or an fsync, stops the recording and nothing else; afterwards all is recorded.
func TestJournalDiskHangs(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	disk := filepath.Join(h.dir, "disk")
	mountExt4(t, filepath.Join(h.dir, "image"), disk)
	h.state = filepath.Join(disk, "state")
	h.service("busy", "restart: always\nextactor: {stop: {signal: SIGKILL}}", "serve")
	h.service("failing", "restart: always\nextactor: {backoff: {initial: 100ms, max: 100ms}}", "exit", "3")

	d := h.start()
	last := d.started(t, 0, "ext-busy")
	thaw := freeze(t, disk)

	// What a person asks for is done.
	for range 3 {
		h.cli("service", "busy", "restart").done(t)
		last = d.started(t, last.GetSeq(), "ext-busy")
	}

	d.line(t, "journal: degraded")

	if now := d.state(t, "journal", "Running"); now.GetHealth().GetHealthy() || !strings.Contains(now.GetHealth().GetLastMessage(), "gives no answer") {
		t.Errorf("the journal's row: %v", now)
	}

	failed := d.event(t, last.GetSeq(), "ext-failing", "Task .* exited with code 3.*")
	thaw()
	d.line(t, "journal: no longer degraded")
	d.state(t, "journal", "Running")

	h.end(unix.SIGKILL)

	before := d
	d = h.start()
	d.event(t, failed.GetSeq(), "ext-busy", "Adopted .*")

	earlier, _, _ := before.records.all()
	now, _, _ := d.records.all()

	for index, record := range earlier {
		if record.GetSeq() <= failed.GetSeq() && now[index].String() != record.String() {
			t.Fatalf("record %d was %v and is %v", index, record, now[index])
		}
	}

	h.end(unix.SIGTERM)
}

// mountExt4 mounts a small disk of its own, because a tmpfs cannot be frozen.
func mountExt4(t testing.TB, image, point string) {
	t.Helper()
	must(t, os.Mkdir(point, 0o755))

	for _, command := range [][]string{
		{"truncate", "--size=16M", image},
		{"mkfs.ext4", "-q", "-O", "^has_journal", image},
		{"mount", "-o", "loop", image, point},
	} {
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			missing(t, fmt.Sprintf("mkfs.ext4 and a loop device: %v: %s", err, output))
		}
	}

	t.Cleanup(func() { must(t, unix.Unmount(point, 0)) })
}

// freeze stops all writes to a file system until they are let go on.
func freeze(t testing.TB, point string) (thaw func()) {
	t.Helper()

	const (
		ioctlFreeze = 0xc0045877 // linux/fs.h
		ioctlThaw   = 0xc0045878
	)

	directory, err := os.Open(point)
	must(t, err)
	must(t, unix.IoctlSetInt(int(directory.Fd()), ioctlFreeze, 0))

	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true

			must(t, unix.IoctlSetInt(int(directory.Fd()), ioctlThaw, 0))
			must(t, directory.Close())
		}
	}

	t.Cleanup(thaw)

	return thaw
}
