package runtime_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/service"
)

// lostWithShim tells whether an exit says what a killed shim takes with it.
func lostWithShim(exit *service.Exit) bool {
	return exit != nil && !exit.Known && exit.Code == 0 && exit.OutputLost && strings.Contains(exit.Explanation, "its shim was killed")
}

// killProcess kills and returns when the process is dead.
func killProcess(t *testing.T, pid int) {
	t.Helper()

	process, err := cgroup.Open(pid)
	must(t, err)
	must(t, cgroup.Signal(process, unix.SIGKILL))
	must(t, cgroup.Ended(t.Context(), process))
}

// A shim that hangs, and does not notice that its task has ended, keeps nobody from starting the next one.
func TestShimThatHangs(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	victim, started := h.start(1, h.Service("victim", "print", "ready", "stubborn"))
	must(t, h.AwaitOutput(t.Context(), victim.ID, "ready"))

	must(t, unix.Kill(parentOf(t, started.PID), unix.SIGSTOP))
	must(t, h.runtime.Kill(t.Context(), victim))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	if exit, err := h.runtime.Wait(ctx, victim); err != nil || !lostWithShim(exit) {
		t.Errorf("exit %v, %v", exit, err)
	}

	if err := h.runtime.Delete(t.Context(), victim); err != nil && !errors.Is(err, service.ErrOutputLost) {
		t.Error(err)
	}

	next, _ := h.start(2, h.Service("victim", "exit", "4"))

	if exit := h.wait(next); !exit.Known || exit.Code != 4 {
		t.Errorf("the next attempt: %v", exit)
	}
}

// Each part of a running container is killed from outside: what is told of it is true, and nothing is left.
func TestPartsKilledFromOutside(t *testing.T) {
	for name, test := range map[string]struct {
		kill func(h *harness, started service.Started)
		want func(exit *service.Exit) bool
	}{
		"PID 1": {
			func(h *harness, started service.Started) { killProcess(t, int(started.PID)) },
			func(exit *service.Exit) bool { return exit.Known && exit.Signal == 9 && exit.Explanation == "" },
		},
		"shim": {
			func(h *harness, started service.Started) { killProcess(t, parentOf(t, started.PID)) },
			lostWithShim,
		},
		"shim and PID 1": {
			func(h *harness, started service.Started) {
				shim := parentOf(t, started.PID)
				killProcess(t, shim)
				_ = unix.Kill(int(started.PID), unix.SIGKILL) // containerd may have been quicker
			},
			lostWithShim,
		},
		"shim and containerd": {
			func(h *harness, started service.Started) {
				shim := parentOf(t, started.PID)
				h.killContainerd()
				killProcess(t, shim)
			},
			lostWithShim,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, oci.Embedded)
			victim, started := h.start(1, h.Service("victim", "print", "ready", "stubborn"))
			must(t, h.AwaitOutput(t.Context(), victim.ID, "ready"))

			test.kill(h, started)
			must(t, h.runtime.Close())
			h.open() // also where containerd was killed

			seen, err := h.runtime.Observe(t.Context())
			must(t, err)

			exit := seen[victim.ID].GetExit()
			if seen[victim.ID].GetStatus() == events.TaskStatus_TASK_STATUS_RUNNING { // containerd has not noticed yet
				exit = h.wait(victim)
			}

			if !test.want(exit) {
				t.Errorf("the exit is %v", exit)
			}

			if err := h.runtime.Delete(t.Context(), victim); err != nil && !errors.Is(err, service.ErrOutputLost) {
				t.Fatal(err)
			}

			again, _ := h.start(2, h.Service("victim", "exit", "4"))
			if exit := h.wait(again); !exit.Known || exit.Code != 4 || exit.Explanation != "" {
				t.Errorf("exit of the next attempt: %v", exit)
			}
		})
	}
}

// While containerd is away an exit is told by the shim's record. Where the shim is killed after that, and before it was asked
// to deliver, the loss is told when the task is removed.
func TestShimKilledAfterTheExitWasTold(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	victim, started := h.start(1, h.Service("victim", "print", "ready", "stubborn"))
	must(t, h.AwaitOutput(t.Context(), victim.ID, "ready"))

	shim := parentOf(t, started.PID)
	h.killContainerd()
	killProcess(t, int(started.PID))

	if exit := h.wait(victim); !exit.Known || exit.Signal != 9 || exit.OutputLost {
		t.Fatalf("the exit is %v", exit)
	}

	killProcess(t, shim)
	must(t, h.runtime.Close())
	h.open()

	if err := h.runtime.Delete(t.Context(), victim); !errors.Is(err, service.ErrOutputLost) {
		t.Fatalf("the loss was not told: %v", err)
	}

	must(t, h.runtime.Delete(t.Context(), victim)) // once
}

// What a task printed last is told also where containerd was away since before somebody waited for its end.
func TestLastLinesWhileContainerdIsAway(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	victim, started := h.start(1, h.Service("victim", "print", "ready", "stubborn"))
	must(t, h.AwaitOutput(t.Context(), victim.ID, "ready"))
	h.killContainerd()

	waited := make(chan *service.Exit, 1)

	go func() {
		exit, err := h.runtime.Wait(t.Context(), victim)
		for err != nil && t.Context().Err() == nil { // containerd is back, and can be asked again
			exit, err = h.runtime.Wait(t.Context(), victim)
		}

		waited <- exit
	}()

	killProcess(t, int(started.PID))

	if exit := <-waited; exit == nil || exit.Signal != 9 || exit.LastLines != "ready\n" {
		t.Errorf("the exit is %v", exit)
	}

	must(t, h.runtime.Close())
	h.open()
}

// A start during which containerd dies goes on when it is back, as the same attempt.
func TestContainerdKilledDuringStart(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("patient", "print", "ready", "serve")
	request := service.StartRequest{ID: program.ID(), Attempt: 1, BootID: "boot", Hash: "v1:hash", Spec: program}
	must(t, h.runtime.Prepare(t.Context(), request))

	type outcome struct {
		started service.Started
		err     error
	}

	done := make(chan outcome, 1)

	go func() {
		started, err := h.runtime.Start(t.Context(), request)
		done <- outcome{started, err}
	}()

	// Its bundle is there before its shim is.
	must(t, os.MkdirAll(h.bundles(), 0o711))
	awaitFile(t, filepath.Join(h.bundles(), request.ID))
	h.killContainerd()

	result := <-done
	must(t, result.err)
	must(t, h.AwaitOutput(t.Context(), request.ID, "ready"))

	seen, err := h.runtime.Observe(t.Context())
	must(t, err)

	if one := seen[request.ID]; one.GetPid() != result.started.PID || one.GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("started as %+v, seen: %v", result.started, one)
	}
}

// bundles is where containerd keeps what belongs to each task.
func (h *harness) bundles() string {
	return filepath.Join(h.config.RunDir, "containerd", "state", "io.containerd.runtime.v2.task", h.config.Namespace)
}

// A frozen service can be killed: a process in a frozen cgroup of version 1 dies only once it is thawed.
func TestFrozenServiceIsKilled(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	frozen, _ := h.start(1, h.Service("frozen", "print", "ready", "serve"))
	must(t, h.AwaitOutput(t.Context(), frozen.ID, "ready"))

	directories, err := cgroup.Directories("/" + h.config.Namespace + "/" + frozen.ID)
	must(t, err)

	froze := false

	for _, directory := range directories {
		for file, content := range map[string]string{"freezer.state": "FROZEN", "cgroup.freeze": "1"} {
			// Without O_CREAT: it is there, or not.
			if handle, err := os.OpenFile(filepath.Join(directory, file), os.O_WRONLY, 0); err == nil {
				_, err := handle.WriteString(content)
				froze = froze || err == nil
				handle.Close()
			}
		}
	}

	if !froze {
		t.Fatalf("no freezer in %q", directories)
	}

	ctx, cancel := context.WithTimeout(t.Context(), cleanupTimeout)
	defer cancel()

	must(t, h.runtime.Kill(ctx, frozen))

	if exit := h.wait(frozen); exit.Signal != 9 {
		t.Errorf("exit is %v", exit)
	}
}
