package adoption_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/google/uuid"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/tests/integration/setup"
)

// patience is how long a test waits for something that must come. It only limits how long a failure takes.
const patience = time.Minute

// world is a host that outlives its daemons: a containerd, a logd, and the directories.
type world struct {
	t       testing.TB
	dir     string // short, because sockets lie in it
	run     string
	rootfs  string
	client  *client.Client
	counter atomic.Int64
}

func newWorld(t testing.TB) *world {
	t.Helper()

	dir, err := os.MkdirTemp("/tmp", "exa")
	must(t, err)

	w := &world{t: t, dir: dir, run: filepath.Join(dir, "run"), rootfs: filepath.Join(dir, "r")}
	must(t, os.MkdirAll(filepath.Join(w.run, "containerd"), 0o700))
	t.Cleanup(w.remove)
	w.startContainerd()

	w.client, err = client.New(server.Address(w.run))
	must(t, err)
	t.Cleanup(func() { w.client.Close() })

	return w
}

func (w *world) startContainerd() {
	w.t.Helper()

	executable, err := os.Executable()
	must(w.t, err)

	ready, announce, err := os.Pipe()
	must(w.t, err)

	defer ready.Close()

	command := exec.Command(executable, "containerd", w.run)
	command.ExtraFiles = []*os.File{announce}
	command.Env = append(os.Environ(), server.ReadyVariable+"=3")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(w.t, command.Start())
	announce.Close()

	w.t.Cleanup(func() {
		must(w.t, command.Process.Signal(unix.SIGTERM))

		_ = command.Wait()
	})

	if count, _ := ready.Read(make([]byte, 1)); count != 1 {
		log, _ := os.ReadFile(server.LogPath(w.run))
		w.t.Fatalf("containerd does not start: %s", log)
	}
}

// remove demands that nothing is left of any service, and removes the directory.
func (w *world) remove() {
	for _, process := range processesNaming(w.dir) {
		w.t.Errorf("left behind: process %s", process)
	}

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(w.dir))
	must(w.t, err)

	for _, mount := range mounts {
		w.t.Errorf("left behind: mount %s", mount.Mountpoint)

		_ = unix.Unmount(mount.Mountpoint, unix.MNT_DETACH)
	}

	must(w.t, os.RemoveAll(w.dir))
}

// processesNaming lists the living processes whose command line names the directory.
func processesNaming(directory string) []string {
	var found []string

	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		content, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(content), directory+"/") {
			pid := filepath.Base(filepath.Dir(path))
			found = append(found, pid+" "+strings.ReplaceAll(string(content), "\x00", " "))
		}
	}

	return found
}

// site is one installation of extactor on a world, with one service: it outlives its daemons too.
type site struct {
	t         testing.TB
	world     *world
	name      string
	id        string
	instance  string
	namespace string
	boot      string
	runDir    string // the run directory, but for containerd
	state     string // the newest directory of the journal
	box       string // what the service's program sees as /box
	wish      wish   // what the files say
	began     int    // how often the program must have begun by now
	unknown   bool   // its shim was killed: one exit cannot be known
	since     uint64 // the newest record when the present daemon began
	daemon    *daemon

	mu    sync.Mutex
	wrote chan struct{} // closed when the program writes
}

func newSite(t testing.TB, w *world, name string) *site {
	t.Helper()

	number := w.counter.Add(1)
	base := filepath.Join(w.dir, fmt.Sprint(number))
	instance := uuid.NewString()

	s := &site{
		t: t, world: w, name: name, id: "ext-" + name, instance: instance, namespace: "extactor-" + instance[:8],
		boot: "boot-1", runDir: filepath.Join(base, "run"), state: filepath.Join(base, "state0"), box: filepath.Join(base, "box"),
	}

	for _, directory := range []string{s.runDir, s.state, s.box, filepath.Join(w.rootfs, name)} {
		must(t, os.MkdirAll(directory, 0o700))
	}

	must(t, os.Link(programPath, filepath.Join(w.rootfs, name, "program")))
	setup.Logd(s.t, logs.In(s.runDir))
	s.wrote = make(chan struct{})
	s.watchBox()
	t.Cleanup(s.close)

	return s
}

func (s *site) context() context.Context {
	return namespaces.WithNamespace(context.Background(), s.namespace)
}

// containers are those in the namespace of the site.
func (s *site) containers() []client.Container {
	s.t.Helper()

	found, err := s.world.client.Containers(s.context())
	must(s.t, err)

	return found
}

// close kills the last daemon, and demands that its service has ended and left nothing.
func (s *site) close() {
	if s.daemon != nil {
		s.daemon.crash()
	}

	for _, container := range s.containers() {
		if !s.t.Failed() {
			s.t.Errorf("left behind: container %s", container.ID())
		}

		s.deleteByHand()
	}

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	if err := errors.Join(cgroup.Kill(ctx, "/"+s.namespace), cgroup.Remove("/"+s.namespace)); err != nil {
		s.t.Error(err)
	}

	if s.t.Failed() {
		return
	}

	for _, directory := range []string{"rootfs", "config", "exits", "tasks", "exec", "logs/fifo"} {
		entries, err := os.ReadDir(filepath.Join(s.runDir, directory))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Error(err)
		}

		for _, entry := range entries {
			s.t.Errorf("left behind: %s/%s", directory, entry.Name())
		}
	}
}

// task is the task of the site's service as containerd has it.
func (s *site) task() client.Task {
	s.t.Helper()

	container, err := s.world.client.LoadContainer(s.context(), s.id)
	must(s.t, err)

	task, err := container.Task(s.context(), nil)
	must(s.t, err)

	return task
}

// deleteTaskByHand is what a person does who works around extactor.
func (s *site) deleteTaskByHand() {
	s.t.Helper()

	container, err := s.world.client.LoadContainer(s.context(), s.id)
	must(s.t, err)

	if task, err := container.Task(s.context(), nil); err == nil {
		_, err := task.Delete(s.context(), client.WithProcessKill)
		must(s.t, err)
	}
}

func (s *site) deleteByHand() {
	s.t.Helper()
	s.deleteTaskByHand()

	container, err := s.world.client.LoadContainer(s.context(), s.id)
	must(s.t, err)
	must(s.t, container.Delete(s.context()))
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}
