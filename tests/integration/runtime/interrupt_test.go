package runtime_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// An exit that happens while neither daemon nor containerd live is known from the shim's record: containerd itself
// deletes such a task when it starts.
func TestExitWhileNobodyLooks(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	lonely, started := h.start(3, h.Service("lonely", "print", "ready", "allocate", "1", "exit", "7"))
	must(t, h.AwaitOutput(t.Context(), lonely.ID, "ready"))
	must(t, h.runtime.Close())
	h.killContainerd()
	must(t, unix.Kill(int(started.PID), unix.SIGTERM))
	awaitFile(t, exits.Path(h.config.RunDir, lonely.ID, lonely.Attempt))
	h.open()

	seen, err := h.runtime.Observe(t.Context())
	must(t, err)

	if one := seen[lonely.ID]; one.GetStatus() != events.TaskStatus_TASK_STATUS_EXITED || one.GetExit().GetCode() != 7 {
		t.Errorf("seen: %v", one)
	}

	if exit := h.wait(lonely); !exit.Known || exit.Code != 7 || exit.LastLines != "ready\n1048576\n" {
		t.Errorf("exit: %v", exit)
	}
}

// A task that was created but never started, by a daemon that died in between, is seen and can be deleted.
func TestCreatedTaskIsDeleted(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	h.createOnly("ext-half", 2)

	seen, err := h.runtime.Observe(t.Context())
	must(t, err)

	if one := seen["ext-half"]; one.GetStatus() != events.TaskStatus_TASK_STATUS_CREATED || one.GetAttempt() != 2 {
		t.Errorf("seen: %v", one)
	}

	must(t, h.runtime.Delete(t.Context(), task("ext-half", 2)))

	if seen, err := h.runtime.Observe(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("after it was deleted: %v, %v", seen, err)
	}

	// Left by an earlier attempt, it does not hinder the next.
	h.createOnly("ext-half", 3)
	whole, _ := h.start(4, h.Service("half", "exit", "5"))

	if exit := h.wait(whole); exit.Code != 5 {
		t.Errorf("exit: %v", exit)
	}
}

func (h *harness) createOnly(id string, attempt uint64) {
	h.t.Helper()

	connected, err := client.New(server.Address(h.config.RunDir))
	must(h.t, err)

	defer connected.Close()

	program := h.Service("half", "serve")
	host, err := oci.ThisHost(h.config.RootfsDir, "/"+h.config.Namespace)
	must(h.t, err)

	generated, err := oci.Generate(program, host, nil, nil)
	must(h.t, err)

	rootfs, err := oci.OverlayRootfs(program, host, h.config.RunDir, attempt)
	must(h.t, err)

	ctx := namespaces.WithNamespace(h.t.Context(), h.config.Namespace)

	container, err := connected.NewContainer(ctx, id, client.WithSpec(generated), client.WithRuntime(shimPath, nil),
		client.WithContainerLabels(map[string]string{
			"io.extactor.instance": h.config.Instance, "io.extactor.attempt": string(rune('0' + attempt)),
		}))
	must(h.t, err)

	_, err = container.NewTask(ctx, cio.NullIO, client.WithRootFS([]mount.Mount{rootfs}))
	must(h.t, err)
}

// missingDevice is waited for, because nothing may be created below /dev.
var missingDevice = spec.Mount{
	Source: "/dev/extactor-missing", Destination: "/dev/missing", Type: "bind", Options: []string{"bind"},
}

// A Prepare that waits for a mount source ends at once when its task is killed or its context is cancelled.
func TestPrepareIsInterrupted(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("waiting", "serve")
	program.Container.Mounts = []spec.Mount{missingDevice}

	prepare := func(ctx context.Context, attempt uint64) <-chan error {
		failed := make(chan error, 1)

		go func() {
			failed <- h.runtime.Prepare(ctx, service.StartRequest{ID: program.ID(), Attempt: attempt, Spec: program})
		}()

		return failed
	}

	killed := func() error {
		for failed := prepare(t.Context(), 1); ; { // until the kill comes after the beginning of Prepare
			select {
			case err := <-failed:
				return err
			default:
				must(t, h.runtime.Kill(t.Context(), task(program.ID(), 1)))
			}
		}
	}()
	if killed == nil || !strings.Contains(killed.Error(), "was killed") {
		t.Errorf("when it was killed: %v", killed)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	failed := prepare(ctx, 2)

	cancel(errors.New("no longer wanted"))

	if err := <-failed; err == nil || !strings.Contains(err.Error(), "no longer wanted") {
		t.Errorf("when it was cancelled: %v", err)
	}

	if _, err := os.Stat(missingDevice.Source); err == nil {
		t.Errorf("%s was created", missingDevice.Source)
	}
}
