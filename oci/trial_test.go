package oci

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// newTrial is a trial of which nothing may be left at the end of the test.
func newTrial(t *testing.T) Trial {
	t.Helper()

	trial := TrialIn(t.TempDir(), "/extactor-test-"+filepath.Base(filepath.Dir(t.TempDir())))

	t.Cleanup(func() {
		if left := trial.leftovers(t); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})

	return trial
}

// leftovers are the directories and cgroups of a trial.
func (t Trial) leftovers(test *testing.T) []string {
	test.Helper()

	left, err := cgroup.Directories(t.cgroup)
	if err != nil {
		test.Fatal(err)
	}

	if fileExists(t.directory) {
		left = append(left, t.directory)
	}

	return left
}

// The trial agrees with what the runtimes really do here.
func TestProbeOCIRuntime(t *testing.T) {
	runc := needRuntime(t, "runc")[0]
	if err := newTrial(t).of(t.Context(), runc); err != nil {
		t.Errorf("runc, which all other tests use: %v", err)
	}

	if crun, err := exec.LookPath("crun"); err == nil {
		host := newRootfs(t, "x")
		_, failure := run(t, []string{crun}, inspectService(), host)

		tried := newTrial(t).of(t.Context(), crun)
		if (tried == nil) != (failure == nil) {
			t.Errorf("the trial of crun says %v, a container %v", tried, failure)
		}
	}
}

// killedDaemon names the run directory in the environment of a process that is killed during a trial.
const killedDaemon = "EXTACTOR_TEST_KILLED_DAEMON"

// A daemon that is killed during a trial leaves a container, and the next one removes it.
func TestTrialOfADaemonThatIsKilled(t *testing.T) {
	runc := needRuntime(t, "runc")[0]

	if run := os.Getenv(killedDaemon); run != "" {
		t.Fatal("still alive: ", TrialIn(run, "/"+filepath.Base(run)).of(t.Context(), filepath.Join(run, "killing")))
	}

	run := filepath.Join(t.TempDir(), "extactor-test-killed")
	mustMkdir(t, run, 0o700)

	// It makes the container, and kills its caller before it answers: what it would do after that must not happen.
	late := filepath.Join(run, "late")
	mustWrite(t, filepath.Join(run, "killing"), "#!/bin/sh\n"+runc+` "$@" || exit 1; kill -9 $PPID; sleep 1; echo > `+late+"\n", 0o755)

	trial := TrialIn(run, "/"+filepath.Base(run))

	alive, inherited, err := os.Pipe() // open as long as anything lives that the daemon has started
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()

	daemon := exec.Command(os.Args[0], "-test.run=^TestTrialOfADaemonThatIsKilled$")
	daemon.Env = append(os.Environ(), killedDaemon+"="+run, "TMPDIR="+t.TempDir())
	daemon.ExtraFiles = []*os.File{inherited}

	err = daemon.Run()
	inherited.Close()

	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("the daemon ended by %v", err)
	}

	processes, err := cgroup.Processes(trial.cgroup)
	if len(processes) != 1 || err != nil || !fileExists(trial.directory) {
		t.Fatalf("nothing to remove: processes %v (%v), %v", processes, err, trial.leftovers(t))
	}

	mounted := filepath.Join(trial.directory, "rootfs")
	if err := unix.Mount("tmpfs", mounted, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}

	mustWrite(t, filepath.Join(mounted, "file"), "", 0o600)

	if err := trial.Remove(t.Context()); err != nil {
		t.Error(err)
	}

	if left := trial.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || fileExists(late) {
		t.Error("the OCI runtime went on after the daemon was killed")
	}
}
