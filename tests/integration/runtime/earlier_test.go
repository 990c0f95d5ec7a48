package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
)

// What an instance left on a containerd under another run directory is ended by its next daemon, before that starts
// anything: it would run twice. Nobody else's container is touched, also where it is in the same namespace.
func TestContainersOfAnotherRunDirectory(t *testing.T) {
	address := hostContainerd(t)
	before := newHarness(t, address)

	ending, started := before.start(3, before.Service("ending", "print", "ready", "serve"))
	must(t, before.AwaitOutput(t.Context(), ending.ID, "ready"))

	before.start(1, before.Service("deaf", "stubborn"))
	exited, _ := before.start(1, before.Service("exited", "exit", "3"))
	before.wait(exited)

	// Another instance that happens to share the namespace, and one of its own.
	stranger := newHarness(t, address)
	neighbour, _ := stranger.start(1, stranger.Service("ending", "serve"))

	guest := newHarness(t, address)
	must(t, guest.runtime.Close())
	guest.config.Namespace = before.config.Namespace
	guest.open()

	visitor, _ := guest.start(1, guest.Service("visitor", "serve"))

	// For as long as its daemon lives it is that one's.
	lock, err := os.Create(filepath.Join(before.config.RunDir, oci.LockName))
	must(t, err)
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))

	after := newHarnessOf(t, address, before.config.Instance)

	seen, err := before.runtime.Observe(t.Context())
	must(t, err)

	if one := seen[ending.ID]; one.GetPid() != started.PID || one.GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING || len(seen) != 3 {
		t.Errorf("while its daemon lives: %v", seen)
	}

	must(t, lock.Close())
	after.Reopen()

	if seen, err := before.runtime.Observe(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("left: %v, %v", seen, err)
	}

	if problem := before.leftovers(); problem != nil {
		t.Error(problem)
	}

	for _, id := range []string{"ext-ending", "ext-deaf", "ext-exited"} {
		if left, err := cgroup.Directories("/" + before.config.Namespace + "/" + id); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	}

	if seen, err := stranger.runtime.Observe(t.Context()); err != nil || seen[neighbour.ID].GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("the neighbour: %v, %v", seen, err)
	}

	if seen, err := guest.runtime.Observe(t.Context()); err != nil || seen[visitor.ID].GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("the guest: %v, %v", seen, err)
	}

	// Where nothing else is in it the namespace goes too, and its cgroup.
	lonely := newHarness(t, address)
	lonely.start(1, lonely.Service("lonely", "serve"))
	newHarnessOf(t, address, lonely.config.Instance)

	if slices.Contains(namespacesOf(t, address), lonely.config.Namespace) {
		t.Errorf("namespace %q is left", lonely.config.Namespace)
	}

	if left, err := cgroup.Directories("/" + lonely.config.Namespace); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// An instance that was never elsewhere has an identifier that nobody else has.
func TestNamespacesOfOthers(t *testing.T) {
	address := hostContainerd(t)
	other := newHarness(t, address)
	running, _ := other.start(1, other.Service("running", "serve"))

	newHarnessOf(t, address, uuid.NewString())

	if seen, err := other.runtime.Observe(t.Context()); err != nil || seen[running.ID].GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("the other: %v, %v", seen, err)
	}
}

func namespacesOf(t *testing.T, address string) []string {
	t.Helper()

	connected, err := client.New(address)
	must(t, err)

	defer connected.Close()

	all, err := connected.NamespaceService().List(t.Context())
	must(t, err)

	return all
}
