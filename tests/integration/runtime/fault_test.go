package runtime_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

func (h *harness) start(attempt uint64, program *spec.Service) (service.Task, service.Started) {
	h.t.Helper()

	request := service.StartRequest{ID: program.ID(), Attempt: attempt, BootID: "boot", Hash: "v1:hash", Spec: program}
	must(h.t, h.runtime.Prepare(h.t.Context(), request))

	started, err := h.runtime.Start(h.t.Context(), request)
	must(h.t, err)

	return task(request.ID, attempt), started
}

func (h *harness) wait(task service.Task) *service.Exit {
	h.t.Helper()

	ctx, cancel := context.WithTimeout(h.t.Context(), cleanupTimeout)
	defer cancel()

	exit, err := h.runtime.Wait(ctx, task)
	must(h.t, err)

	return exit
}

// killContainerd kills the embedded containerd and returns when it is dead.
func (h *harness) killContainerd() {
	h.t.Helper()

	pid, err := server.Holder(h.config.RunDir)
	must(h.t, err)

	process, err := cgroup.Open(pid)
	must(h.t, err)
	must(h.t, cgroup.Signal(process, unix.SIGKILL))
	must(h.t, cgroup.Ended(h.t.Context(), process))
}

// awaitFile returns when there is something at the path.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, notify(t.Context(), filepath.Dir(path), func() bool {
		_, err := os.Stat(path)

		return err == nil
	}))
}

func TestContainerdKilledWhileTasksRun(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	told := h.watchLink()

	if first := h.awaitLink(told); !first.up {
		t.Fatalf("link: %+v", first)
	}

	survivor, before := h.start(1, h.Service("survivor", "print", "ready", "serve"))
	victim, dying := h.start(3, h.Service("victim", "print", "ready", "allocate", "1", "exit", "7"))

	waited := make(chan error, 1)

	go func() {
		exit, err := h.runtime.Wait(t.Context(), survivor)
		if err == nil {
			t.Errorf("the loss of containerd was taken for the exit %v", exit)
		}

		waited <- err
	}()

	must(t, h.AwaitOutput(t.Context(), survivor.ID, "ready"))
	must(t, h.AwaitOutput(t.Context(), victim.ID, "ready"))
	h.killContainerd()
	must(t, unix.Kill(int(dying.PID), unix.SIGTERM)) // it ends with a code of its own while containerd is away

	if down := h.awaitLink(told); down.up {
		t.Fatalf("link: %+v", down)
	}

	if up := h.awaitLink(told); !up.up {
		t.Fatalf("link: %+v", up)
	}

	<-waited
	awaitFile(t, exits.Path(h.config.RunDir, victim.ID, victim.Attempt))

	if exit := h.wait(victim); !exit.Known || exit.Code != 7 {
		t.Errorf("exit while containerd was away: %v", exit)
	}

	seen, err := h.runtime.Observe(t.Context())
	must(t, err)

	if one := seen[survivor.ID]; one.GetPid() != before.PID || one.GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("survivor: %v", one)
	}

	if one := seen[victim.ID]; one.GetStatus() != events.TaskStatus_TASK_STATUS_EXITED || one.GetExit().GetCode() != 7 {
		t.Errorf("victim: %v", one)
	}

	must(t, h.runtime.Signal(t.Context(), survivor, "SIGTERM"))

	if exit := h.wait(survivor); !exit.Known || exit.Code != 0 {
		t.Errorf("survivor ended with %v", exit)
	}
}

func TestContainerdOutlivesItsParent(t *testing.T) {
	h := newHarness(t, oci.Embedded)

	before, err := server.Holder(h.config.RunDir)
	must(t, err)
	h.Reopen()

	after, err := server.Holder(h.config.RunDir)
	must(t, err)

	if before == 0 || before != after {
		t.Errorf("containerd had PID %d, then %d", before, after)
	}

	if session, err := unix.Getsid(after); err != nil || session != after {
		t.Errorf("session of containerd (PID %d) is %d: %v", after, session, err)
	}

	must(t, h.runtime.Shutdown(t.Context()))

	if left, err := server.Holder(h.config.RunDir); err != nil || left != 0 {
		t.Errorf("after Shutdown containerd has PID %d: %v", left, err)
	}

	h.open()
}

// Nothing but its shim can tell how a task ended. Without it the task is lost, and that is what must be said.
func TestShimKilled(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	orphan, started := h.start(1, h.Service("orphan", "print", "ready", "stubborn"))
	must(t, h.AwaitOutput(t.Context(), orphan.ID, "ready"))

	shim, err := cgroup.Open(parentOf(t, started.PID))
	must(t, err)

	process, err := cgroup.Open(int(started.PID))
	must(t, err)
	must(t, cgroup.Signal(shim, unix.SIGKILL))
	must(t, cgroup.Ended(t.Context(), shim, process)) // containerd kills what has lost its shim

	if exit, err := h.runtime.Wait(t.Context(), orphan); err == nil && exit.Known && exit.Code != 137 {
		t.Errorf("exit: %v", exit)
	}

	must(t, h.runtime.Delete(t.Context(), orphan))

	again, _ := h.start(2, h.Service("orphan", "exit", "4"))
	if exit := h.wait(again); exit.Code != 4 {
		t.Errorf("exit of the next attempt: %v", exit)
	}
}

// parentOf returns the parent of a process, which for the first one of a container is its shim.
func parentOf(t *testing.T, pid uint32) int {
	t.Helper()

	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(pid), 10) + "/status")
	must(t, err)

	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	parent, err := strconv.Atoi(line)
	must(t, err)

	return parent
}

func TestOutOfMemoryIsReported(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			hungry, _ := h.start(1, h.Service("hungry", "print", "ready", "allocate", "256", "exit", "0"))
			must(t, h.AwaitOutput(t.Context(), hungry.ID, "ready"))
			limitMemory(t, "/"+h.config.Namespace+"/"+hungry.ID, 16<<20)
			must(t, h.runtime.Signal(t.Context(), hungry, "SIGTERM"))

			exit := h.wait(hungry)
			if !exit.Oom || exit.Code != 137 || exit.Signal != 9 {
				t.Errorf("exit is %v", exit)
			}

			if address == oci.Embedded {
				record, err := exits.Read(exits.Path(h.config.RunDir, hungry.ID, 1))
				if err != nil || !record.OOM || record.Status != 137 {
					t.Errorf("the shim wrote %+v, %v", record, err)
				}
			}
		})
	}
}

// readLimit returns the content of the first file of that name that there is.
func readLimit(t testing.TB, path string, names ...string) string {
	t.Helper()

	directories, err := cgroup.Directories(path)
	must(t, err)

	for _, directory := range directories {
		for _, name := range names {
			if content, err := os.ReadFile(filepath.Join(directory, name)); err == nil {
				return strings.TrimSpace(string(content))
			}
		}
	}

	t.Fatalf("none of %q in %q", names, directories)

	return ""
}

func limitMemory(t *testing.T, path string, limit int) {
	t.Helper()

	directories, err := cgroup.Directories(path)
	must(t, err)

	for _, directory := range directories {
		for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
			if os.WriteFile(filepath.Join(directory, file), []byte(strconv.Itoa(limit)), 0o644) == nil {
				return
			}
		}
	}

	t.Fatalf("no memory controller in %q", directories)
}

func TestKillReachesTheWholeCgroup(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			parent, _ := h.start(1, h.Service("parent", "fork", "print", "ready", "serve"))
			must(t, h.AwaitOutput(t.Context(), parent.ID, "ready"))
			must(t, h.runtime.Kill(t.Context(), parent))

			directories, err := cgroup.Directories("/" + h.config.Namespace + "/" + parent.ID)
			must(t, err)

			if len(directories) == 0 {
				t.Error("the service has no cgroup")
			}

			for _, directory := range directories {
				if left, _ := os.ReadFile(filepath.Join(directory, "cgroup.procs")); len(left) > 0 {
					t.Errorf("left in %s: %s", directory, left)
				}
			}

			if exit := h.wait(parent); exit.Signal != 9 {
				t.Errorf("exit is %v", exit)
			}
		})
	}
}

func TestForeignContainersAreLeftAlone(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	ours, _ := h.start(1, h.Service("shared", "serve"))

	// Another instance on the same containerd and namespace.
	other := h.config
	other.Instance = "another"
	stranger, err := oci.New(other)
	must(t, err)

	defer stranger.Close()

	seen, err := stranger.Observe(t.Context())
	if err != nil || len(seen) != 0 {
		t.Errorf("seen: %v, %v", seen, err)
	}

	for what, problem := range map[string]error{
		"kill": stranger.Kill(t.Context(), ours), "delete": stranger.Delete(t.Context(), ours),
		"signal": stranger.Signal(t.Context(), ours, "SIGTERM"),
	} {
		if problem == nil || !strings.Contains(problem.Error(), "another instance") {
			t.Errorf("%s by a stranger: %v", what, problem)
		}
	}

	seen, err = h.runtime.Observe(t.Context())
	if err != nil || seen[ours.ID].GetStatus() != events.TaskStatus_TASK_STATUS_RUNNING {
		t.Errorf("seen: %v, %v", seen, err)
	}
}

func TestLastLinesHideWhatWasGiven(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("secretive", "print", "begin", "environment", "PASSWORD", "exit", "1")
	program.Container.Environment = []string{"PASSWORD=correct horse"}

	secretive, _ := h.start(1, program)
	if exit := h.wait(secretive); exit.LastLines != "begin\n[redacted]\n" {
		t.Errorf("last lines: %q", exit.LastLines)
	}
}

func TestManyLinesAreCutToTheLast(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	talker, _ := h.start(1, h.Service("talker", "spam", "200000", "exit", "0"))

	exit := h.wait(talker)
	if len(exit.LastLines) > 4096 || !strings.HasPrefix(exit.LastLines, "line ") ||
		!strings.HasSuffix(exit.LastLines, "line 199998\nline 199999\n") {
		t.Errorf("%d bytes of last lines: %q", len(exit.LastLines), exit.LastLines)
	}
}

func TestRootFileSystemIsEphemeral(t *testing.T) {
	h := newHarness(t, oci.Embedded)

	for attempt := range uint64(2) {
		program := h.Service("writer", "write", "/written", "exit", "0")
		program.Container.Security.WriteableRootfs = true

		writer, _ := h.start(attempt+1, program)
		if exit := h.wait(writer); exit.Code != 0 {
			t.Fatalf("exit is %v", exit)
		}

		must(t, h.runtime.Delete(t.Context(), writer))

		if _, err := os.Stat(filepath.Join(h.config.RootfsDir, "writer", "written")); err == nil {
			t.Error("the service wrote into its own directory")
		}
	}
}

// servers lists each kind of containerd: its name and its address.
func servers(t *testing.T) map[string]string {
	t.Helper()

	return map[string]string{"embedded": oci.Embedded, "host": hostContainerd(t)}
}

// Only the runtime that has become the container notices that its program cannot be executed: the start succeeds.
func TestProgramThatCannotBeExecutedIsExplained(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			program := h.Service("foreign", "serve")
			program.Container.Entrypoint = "/foreign"
			must(t, os.WriteFile(filepath.Join(h.config.RootfsDir, "foreign", "foreign"), []byte("\x7fELFof another kind"), 0o755))

			foreign, _ := h.start(1, program)
			want := `entrypoint "/foreign" is not a program that this machine can run`

			if exit := h.wait(foreign); exit.Success() || !strings.HasPrefix(exit.Explanation, want) {
				t.Errorf("exit: %v", exit)
			}

			// The same words of a program that runs are its own.
			quoting, _ := h.start(1, h.Service("quoting", "print", "more", "print", "exec /program: exec format error", "exit", "1"))
			if exit := h.wait(quoting); exit.Code != 1 || exit.Explanation != "" {
				t.Errorf("exit: %v", exit)
			}
		})
	}
}

func TestReplacedRootFileSystemIsNoticed(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("replaced", "exit", "0")
	_, first := h.start(1, program)
	_, second := h.start(2, program)

	if first.Rootfs == "" || first.Rootfs != second.Rootfs {
		t.Errorf("the root file system was %q, is %q", first.Rootfs, second.Rootfs)
	}

	rootfs := filepath.Join(h.config.RootfsDir, "replaced")
	must(t, os.Rename(rootfs, rootfs+".old"))
	h.Service("replaced")

	if _, third := h.start(3, program); third.Rootfs == first.Rootfs {
		t.Errorf("the root file system is still %q", third.Rootfs)
	}
}
