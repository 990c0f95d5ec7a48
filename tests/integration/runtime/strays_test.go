package runtime_test

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
)

// A shim that containerd has forgotten, and what was being made when one was killed, are gone before the next attempt
// begins. What belongs to another id stays.
func TestStraysAreRemoved(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	neighbour, _ := h.start(1, h.Service("neighbour", "print", "ready", "serve"))
	must(t, h.AwaitOutput(t.Context(), neighbour.ID, "ready"))

	// A task of which containerd loses the bundle while it is dead: it does not know the shim any more when it is back.
	stray, started := h.start(1, h.Service("stray", "print", "ready", "stubborn"))
	must(t, h.AwaitOutput(t.Context(), stray.ID, "ready"))

	shim, err := cgroup.Open(parentOf(t, started.PID))
	must(t, err)
	h.killContainerd()
	must(t, os.Remove(filepath.Join(h.bundles(), stray.ID, "bootstrap.json")))
	must(t, h.runtime.Close())
	h.open()

	// As a containerd leaves it that is killed while it deletes.
	must(t, os.MkdirAll(filepath.Join(h.bundles(), "."+stray.ID, "rootfs"), 0o711))

	next, _ := h.start(2, h.Service("stray", "exit", "4"))

	ctx, cancel := context.WithTimeout(t.Context(), cleanupTimeout)
	defer cancel()

	must(t, cgroup.Ended(ctx, shim))

	if exit := h.wait(next); !exit.Known || exit.Code != 4 {
		t.Errorf("exit of the next attempt: %v", exit)
	}

	must(t, h.runtime.Delete(t.Context(), next))

	for _, left := range []string{
		filepath.Join(h.bundles(), stray.ID), filepath.Join(h.bundles(), "."+stray.ID),
		filepath.Join(h.config.RunDir, "runc", h.config.Namespace, stray.ID),
	} {
		if _, err := os.Stat(left); err == nil {
			t.Errorf("left: %s", left)
		}
	}

	must(t, h.runtime.Signal(t.Context(), neighbour, "SIGTERM"))

	if exit := h.wait(neighbour); !exit.Known || exit.Code != 0 {
		t.Errorf("the neighbour ended with %v", exit)
	}
}

// A process that merely looks like a shim, in the cgroup of containerd, is not taken for one of another id.
func TestOthersShimsAreLeftAlone(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("one", "exit", "0")

	// It is recognised by its command line.
	other := exec.Command("/bin/sh")
	other.Args = []string{oci.ShimName, "-c", "read line; exit 0", "-", "-namespace", h.config.Namespace, "-id", "ext-another"}

	input, err := other.StdinPipe()
	must(t, err)
	must(t, other.Start())
	must(t, cgroup.Join(path.Join("/"+h.config.Namespace, oci.DaemonCgroup), other.Process.Pid))

	first, _ := h.start(1, program)
	h.wait(first)
	must(t, h.runtime.Delete(t.Context(), first))

	if err := other.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the shim of another id: %v", err)
	}

	input.Close()

	_ = other.Wait()
}
