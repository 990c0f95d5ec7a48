package daemon_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// cgroup is the parent of this host's control groups.
func (h *host) cgroup() string {
	sum := sha256.Sum256([]byte(h.run))

	return "/extactor-" + hex.EncodeToString(sum[:4])
}

// close ends the daemon as an init system would, demands that nothing is left, and removes what is left all the same.
func (h *host) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	h.stop(ctx)
	h.judgeJournal(ctx)

	if left := h.leftovers(); len(left) > 0 {
		h.t.Errorf("left behind:\n%s", list(left))
	}

	if h.t.Failed() && h.last != nil {
		h.t.Logf("the last daemon says:\n%s", h.last.said())
	}

	h.sweep(ctx)
}

// stop ends a daemon that still runs.
func (h *host) stop(ctx context.Context) {
	if h.daemon == nil {
		return
	}

	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGTERM, unix.SIGKILL} {
		_ = h.daemon.command.Process.Signal(signal)

		limit, cancel := context.WithTimeout(ctx, patience/4)

		select {
		case <-h.daemon.ended:
		case <-limit.Done():
			h.t.Errorf("the daemon does not end by %v; it says:\n%s", signal, h.daemon.said())
		}

		cancel()
	}

	if h.daemon.client != nil {
		h.daemon.client.Close()
	}
}

// leftovers names everything that should have gone with the daemon.
func (h *host) leftovers() []string {
	left := processesNaming(h.dir)

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(h.run))
	must(h.t, err)

	for _, mount := range mounts {
		left = append(left, "mount "+mount.Mountpoint)
	}

	groups, err := cgroup.Directories(h.cgroup())
	must(h.t, err)

	for _, group := range groups {
		left = append(left, "cgroup "+group)
	}

	for _, directory := range []string{"rootfs", "exits", "logs/fifo"} {
		entries, _ := os.ReadDir(filepath.Join(h.run, directory))
		for _, entry := range entries {
			left = append(left, "file "+filepath.Join(directory, entry.Name()))
		}
	}

	return left
}

// sweep removes by force what a failed test may have left.
func (h *host) sweep(ctx context.Context) {
	for _, process := range processesNaming(h.dir) {
		if pid, err := strconv.Atoi(strings.Fields(process)[0]); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}

	if err := cgroup.Kill(ctx, h.cgroup()); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}

	_ = cgroup.Remove(h.cgroup())

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(h.dir))
	must(h.t, err)

	for index := len(mounts) - 1; index >= 0; index-- {
		_ = unix.Unmount(mounts[index].Mountpoint, unix.MNT_DETACH)
	}

	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}
}

// processesNaming lists the living processes whose command line names the directory: "PID command line".
func processesNaming(directory string) []string {
	var found []string

	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), directory+"/") {
			continue
		}

		pid := filepath.Base(filepath.Dir(path))
		found = append(found, fmt.Sprintf("%s %s", pid, strings.ReplaceAll(string(content), "\x00", " ")))
	}

	return found
}
