package faults_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// leftovers names everything that should have gone with the daemon.
func (h *host) leftovers() []string {
	var left []string

	for _, process := range h.processes() {
		left = append(left, fmt.Sprintf("process %d %s", process.pid, strings.Join(process.command, " ")))
	}

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(h.dir))
	must(h.t, err)

	for _, mount := range mounts {
		left = append(left, "mount "+mount.Mountpoint)
	}

	groups, err := cgroup.Directories(h.cgroup())
	must(h.t, err)

	for _, group := range groups {
		left = append(left, "cgroup "+group)
	}

	return append(left, h.filesLeft()...)
}

// filesLeft names what is in the run directory beside logs, what containerd keeps of itself, and locks.
func (h *host) filesLeft() []string {
	stay := []string{
		"daemon.lock", "instance", "key", "logs/files", "logs/fifo.lock", "containerd/containerd.log", "containerd/lock",
		"containerd/root/io.containerd.metadata.v1.bolt/meta.db", "containerd/state/io.containerd.mount-manager.v1.bolt/mounts.db",
	}

	var left []string

	err := filepath.WalkDir(h.run, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name, _ := filepath.Rel(h.run, path)

		switch {
		case slices.Contains(stay, name):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir():
			left = append(left, "file "+name)
		}

		return nil
	})
	must(h.t, err)

	return left
}

// sweep removes by force what a failed test may have left.
func (h *host) sweep() {
	if h.supervisor != nil {
		h.supervisor.mu.Lock()
		h.supervisor.stopping = true
		_ = h.supervisor.command.Process.Kill()
		h.supervisor.mu.Unlock()

		<-h.supervisor.done
	}

	for _, process := range h.processes() {
		_ = unix.Kill(process.pid, unix.SIGKILL)
	}

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	if err := cgroup.Kill(ctx, h.cgroup()); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}

	_ = cgroup.Remove(h.cgroup())

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(h.dir))
	must(h.t, err)

	for index := len(mounts) - 1; index >= 0; index-- {
		_ = unix.Unmount(mounts[index].Mountpoint, unix.MNT_DETACH)
	}

	if h.t.Failed() && os.Getenv("KEEP") != "" {
		h.t.Logf("kept: %s", h.dir)

		return
	}

	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}
}
