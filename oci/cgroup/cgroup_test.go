package cgroup_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/extactor/extactor/oci/cgroup"
)

func needRoot(t *testing.T) {
	t.Helper()

	if os.Getuid() == 0 {
		return
	}

	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root")
	}

	t.Skip("SKIPPED: needs root: makes a cgroup")
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()

	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})

	return command
}

func TestKillEndsEveryMember(t *testing.T) {
	needRoot(t)

	path := "/extactor-test-" + strconv.Itoa(os.Getpid())
	inside, below, outside := sleeper(t), sleeper(t), sleeper(t)

	for member, where := range map[*exec.Cmd]string{inside: path + "/a", below: path + "/a/b"} {
		if err := cgroup.Join(where, member.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}

	t.Cleanup(func() {
		if err := cgroup.Remove(path); err != nil {
			t.Error(err)
		}

		if left, err := cgroup.Directories(path); err != nil || len(left) != 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	})

	if cgroup.OOMKilled(path + "/a") {
		t.Error("an OOM kill was seen where there was none")
	}

	if err := cgroup.Kill(t.Context(), path); err != nil {
		t.Fatal(err)
	}

	for _, member := range []*exec.Cmd{inside, below} {
		var exit *exec.ExitError
		if err := member.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a member ended with %v", err)
		}
	}

	if err := syscall.Kill(outside.Process.Pid, 0); err != nil {
		t.Errorf("a process outside of the cgroup: %v", err)
	}
}

func TestKillOfNothingIsNoError(t *testing.T) {
	if err := cgroup.Kill(t.Context(), "/extactor-never-there"); err != nil {
		t.Error(err)
	}
}

func TestEndedEndsWithItsContext(t *testing.T) {
	process, err := cgroup.Open(sleeper(t).Process.Pid)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- cgroup.Ended(ctx, process) }()

	cancel()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}
