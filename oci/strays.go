package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/server"
)

// strayGrace is for a shim that is about to end anyway, because its task was deleted at this moment.
const strayGrace = 2 * time.Second

// removeStrays ends the shims of an id that has no task, and removes what containerd, a shim or the OCI runtime left of
// the task when they were killed. Our containerd forgets a shim when it is killed, or the call that
// it answers is broken off, between starting the shim and writing down where it listens. The next task of the id would
// get that same shim, and where there is none, it would stay for ever. Shims and bundles of the host's containerd are its
// own affair.
func (r *Runtime) removeStrays(ctx context.Context, id string) error {
	if _, err := os.Stat(r.processPath(id)); errors.Is(err, fs.ErrNotExist) {
		return nil // no task was ever asked for
	}

	if r.child != nil {
		if err := r.endStrays(ctx, id); err != nil {
			return err
		}

		r.awaitCleanup(ctx, id)
	}

	// What was being made when its shim, or the OCI runtime, was killed.
	err := errors.Join(cgroup.Kill(ctx, r.cgroupPath(id)), cgroup.Remove(r.cgroupPath(id)),
		os.RemoveAll(filepath.Join(r.ociRuntimeRoot(), r.config.Namespace, id)))
	if r.child != nil {
		err = errors.Join(err, server.RemoveBundles(r.config.RunDir, r.config.Namespace, id))
	}

	if err != nil {
		return fmt.Errorf("cannot remove what is left of %q: %w", id, err)
	}

	return nil
}

// awaitCleanup lets containerd clean up after a task in the making, where the call for it was broken off: by a daemon that
// died, or a start that was cancelled. It removes the bundle last, and would take that of the next task.
func (r *Runtime) awaitCleanup(ctx context.Context, id string) {
	if record := r.anyClaim(id); record == nil || record.PID != 0 {
		return // it was made
	}

	limit := time.NewTimer(strayGrace)
	defer limit.Stop()

	const interval = 5 * time.Millisecond

	look := time.NewTicker(interval)
	defer look.Stop()

	for server.HasBundles(r.config.RunDir, r.config.Namespace, id) {
		select {
		case <-look.C:
		case <-limit.C:
			return // containerd itself has died meanwhile
		case <-ctx.Done():
			return
		}
	}
}

// endStrays ends the shims of an id.
func (r *Runtime) endStrays(ctx context.Context, id string) error {
	pids, err := cgroup.Processes(path.Join(r.config.CgroupParent, DaemonCgroup))
	if err != nil {
		return fmt.Errorf("cannot look for shims of %q: %w", id, err)
	}

	for _, pid := range pids {
		if !r.isShim(pid, id) {
			continue
		}

		if err := r.endStray(ctx, pid, id); err != nil {
			return fmt.Errorf("cannot end a shim of %q (PID %d): %w", id, pid, err)
		}
	}

	return nil
}

// isShim tells by its command line whether a process is a shim of ours for the id.
func (r *Runtime) isShim(pid int, id string) bool {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))

	var words []string
	for word := range bytes.SplitSeq(content, []byte{0}) {
		words = append(words, string(word))
	}

	follows := func(flag, value string) bool {
		at := slices.Index(words, flag)

		return at >= 0 && at+1 < len(words) && words[at+1] == value
	}

	return filepath.Base(words[0]) == ShimName && follows("-namespace", r.config.Namespace) && follows("-id", id)
}

// endStray gives a shim the time to end, and then kills it.
func (r *Runtime) endStray(ctx context.Context, pid int, id string) error {
	watched, err := cgroup.Open(pid)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}

	victim, err := cgroup.Open(pid)
	if err != nil || !r.isShim(pid, id) {
		return watched.Close() // it has ended, and another one may have its number
	}

	grace, cancel := context.WithTimeout(ctx, strayGrace)
	defer cancel()

	if cgroup.Ended(grace, watched) == nil {
		return victim.Close()
	}

	if err := cgroup.Signal(victim, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		victim.Close()

		return err
	}

	return cgroup.Ended(ctx, victim)
}
