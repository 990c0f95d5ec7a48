package oci

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/grpc"

	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/service"
)

// unreachable returns a runtime whose containerd is not there.
func unreachable(t *testing.T) *Runtime {
	t.Helper()

	run := t.TempDir()

	r, err := New(Config{
		RunDir: run, Address: filepath.Join(run, "missing.sock"), Instance: "mine", CgroupParent: "/extactor-test-of-nothing",
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { r.Close() })

	return r
}

// claimedProcess is a process that stands in for PID 1 of a task.
func claimedProcess(t *testing.T, r *Runtime, task service.Task) (*exec.Cmd, <-chan error) {
	t.Helper()

	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)

	go func() {
		ended <- command.Wait()
		close(ended)
	}()

	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})

	if err := r.claim(task, uint32(command.Process.Pid)); err != nil {
		t.Fatal(err)
	}

	return command, ended
}

func TestTaskIsEndedWithoutContainerd(t *testing.T) {
	task := service.Task{ID: "ext-a", Attempt: 3}

	for want, end := range map[string]func(r *Runtime) error{
		"terminated": func(r *Runtime) error { return r.Signal(t.Context(), task, "SIGTERM") },
		"killed":     func(r *Runtime) error { return r.Kill(t.Context(), task) },
	} {
		t.Run(want, func(t *testing.T) {
			r := unreachable(t)
			_, ended := claimedProcess(t, r, task)

			if err := end(r); err != nil {
				t.Fatal(err)
			}

			if err := <-ended; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestDeleteWithoutContainerdKillsAndIsAnError(t *testing.T) {
	r, task := unreachable(t), service.Task{ID: "ext-a", Attempt: 3}
	_, ended := claimedProcess(t, r, task)

	if err := r.Delete(t.Context(), task); err == nil || !strings.Contains(err.Error(), "cannot delete") {
		t.Errorf("error: %v", err)
	}

	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}

// Neither another attempt, nor another instance's, nor a process that was given the number of one that ended.
func TestOnlyExactlyThisTaskIsReached(t *testing.T) {
	r, task := unreachable(t), service.Task{ID: "ext-a", Attempt: 3}
	command, ended := claimedProcess(t, r, task)

	if err := r.Kill(t.Context(), service.Task{ID: "ext-a", Attempt: 2}); err == nil {
		t.Error("another attempt was killed")
	}

	r.config.Instance = "another"
	if err := r.Kill(t.Context(), task); err == nil {
		t.Error("another instance's was killed")
	}

	r.config.Instance = "mine"
	recycled := processRecord{PID: command.Process.Pid, Started: startTicks(command.Process.Pid) - 1}

	if process, err := recycled.open(); process != nil || err != nil {
		t.Errorf("opened %v, %v", process, err)
	}

	select {
	case err := <-ended:
		t.Fatalf("it was hit: %v", err)
	default:
	}

	if err := r.Kill(t.Context(), task); err != nil {
		t.Error(err)
	}

	<-ended
}

func TestExitIsSeenWithoutContainerd(t *testing.T) {
	task := service.Task{ID: "ext-a", Attempt: 3}

	for name, record := range map[string]*exits.Record{"recorded": {Status: 5, WallNS: 1, BootNS: 1}, "unknown": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := unreachable(t)
			command, _ := claimedProcess(t, r, task)
			waited := make(chan *service.Exit, 1)

			go func() {
				exit, err := r.Wait(t.Context(), task)
				if err != nil {
					t.Error(err)
				}

				waited <- exit
			}()

			if record != nil {
				if err := exits.Write(exits.Path(r.config.RunDir, task.ID, task.Attempt), *record); err != nil {
					t.Error(err)
				}
			}

			// The host's containerd may know what nobody has written down, and is waited for unless the task was to end.
			if record == nil {
				if err := r.Kill(t.Context(), task); err != nil {
					t.Error(err)
				}
			} else if err := command.Process.Kill(); err != nil {
				t.Error(err)
			}

			exit := <-waited
			if exit.GetKnown() != (record != nil) || record != nil && exit.GetCode() != 5 {
				t.Errorf("exit: %v", exit)
			}
		})
	}
}

// Nobody can tell of a task that was never written down.
func TestUnknownTaskCannotBeWaitedForWithoutContainerd(t *testing.T) {
	if exit, err := unreachable(t).Wait(t.Context(), service.Task{ID: "ext-a", Attempt: 1}); err == nil {
		t.Errorf("exit: %v", exit)
	}
}

func TestRecordGoesWithItsAttempt(t *testing.T) {
	r := unreachable(t)
	if err := r.claim(service.Task{ID: "ext-a", Attempt: 3}, 0); err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		drop uint64
		left bool
	}{{2, true}, {3, false}} {
		if err := r.unclaim("ext-a", func(claimed uint64) bool { return claimed <= step.drop }); err != nil {
			t.Fatal(err)
		}

		if left := r.claimed(service.Task{ID: "ext-a", Attempt: 3}) != nil; left != step.left {
			t.Errorf("after %d is left: %v", step.drop, left)
		}
	}
}

func TestLinkTellsWhyThereIsNoConnection(t *testing.T) {
	r := unreachable(t)
	told := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		r.Link(ctx, func(_, version string) { told <- "up " + version }, func(problem error) { told <- problem.Error() })
	}()

	if want, got := "cannot connect to "+r.config.Address+": no such file or directory", <-told; got != want {
		t.Errorf("told %q, want %q", got, want)
	}

	listener, err := net.Listen("unix", r.config.Address)
	if err != nil {
		t.Fatal(err)
	}

	server := grpc.NewServer()
	version.RegisterVersionServer(server, &hangingServer{asked: make(chan struct{}, 1)})

	go func() { _ = server.Serve(listener) }()

	if got := <-told; got != "up v1" {
		t.Errorf("told %q", got)
	}

	server.Stop()

	if got := <-told; !strings.Contains(got, "was lost") {
		t.Errorf("told %q", got)
	}

	if want, got := "cannot connect to "+r.config.Address+": no such file or directory", <-told; got != want {
		t.Errorf("told %q, want %q", got, want)
	}

	cancel()
	<-ended
}
