package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moby/sys/mountinfo"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/spec"
	"github.com/extactor/extactor/tests/integration/setup"
)

var (
	_ actors.Runtime     = (*oci.Runtime)(nil)
	_ actorstest.Harness = (*harness)(nil)
)

// cleanupTimeout limits what a test may take to remove all that it made.
const cleanupTimeout = 30 * time.Second

// harness is a runtime on directories of its own, with a logd.
type harness struct {
	t       testing.TB
	config  oci.Config
	runtime *oci.Runtime
}

func newHarness(t testing.TB, address string) *harness {
	t.Helper()

	return newHarnessOf(t, address, uuid.NewString())
}

// newHarnessOf is a harness of a given instance. Its namespace is that of its run directory.
func newHarnessOf(t testing.TB, address, instance string) *harness {
	t.Helper()

	id := uuid.NewString()
	run := newRunDir(t)

	h := &harness{t: t, config: oci.Config{
		RunDir:     run,
		RootfsDir:  filepath.Join(run, "services"),
		Address:    address,
		Namespace:  "extactor-" + id[:8],
		Instance:   instance,
		Version:    "test",
		OCIRuntime: "runc",
		Logger:     zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
	}}

	if address == oci.Embedded {
		executable, err := os.Executable()
		must(t, err)

		h.config.ShimPath = shimPath
		h.config.Server = []string{executable, "containerd", run}
	}

	setup.Logd(t, logs.In(h.config.RunDir))
	h.open()
	t.Cleanup(h.close)

	return h
}

// newRunDir is short, because sockets lie in it, and removed with whatever is still mounted there.
func newRunDir(t testing.TB) string {
	t.Helper()

	run, err := os.MkdirTemp("/tmp", "exr")
	must(t, err)

	t.Cleanup(func() {
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(run))
		must(t, err)

		for _, mount := range mounts {
			t.Errorf("left mounted: %s", mount.Mountpoint)

			_ = unix.Unmount(mount.Mountpoint, unix.MNT_DETACH)
		}

		must(t, os.RemoveAll(run))
	})

	return run
}

// open makes a new client and waits until it is connected.
func (h *harness) open() {
	h.t.Helper()

	runtime, err := oci.New(h.config)
	must(h.t, err)

	h.runtime = runtime

	// Where containerd is still being started, the link tells first that it is not there.
	for told := h.watchLink(); !h.awaitLink(told).up; {
	}
}

// watchLink returns what Link tells, from now on: the address at each up, the problem at each down.
func (h *harness) watchLink() <-chan linkEvent {
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan linkEvent, 100)
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		h.runtime.Link(ctx, func(address, version string) {
			told <- linkEvent{up: true, text: address + " " + version}
		}, func(problem error) {
			told <- linkEvent{text: problem.Error()}
		})
	}()

	h.t.Cleanup(func() {
		cancel()
		<-ended
	})

	return told
}

type linkEvent struct {
	up   bool
	text string
}

func (h *harness) awaitLink(told <-chan linkEvent) linkEvent {
	h.t.Helper()

	select {
	case event := <-told:
		return event
	case <-time.After(cleanupTimeout):
		log, _ := os.ReadFile(filepath.Join(h.config.RunDir, "containerd", "containerd.log"))
		h.t.Fatalf("the link tells nothing; containerd says: %s", log)

		return linkEvent{}
	}
}

// close deletes every container, ends the embedded containerd and checks that nothing is left.
func (h *harness) close() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()

	if err := h.deleteAll(ctx); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}

	if err := h.runtime.Shutdown(ctx); err != nil {
		h.t.Errorf("cleanup: %v", err)
	}

	for _, left := range []error{
		cgroup.Kill(ctx, "/"+h.config.Namespace), cgroup.Remove("/" + h.config.Namespace), h.leftovers(),
	} {
		if left != nil {
			h.t.Errorf("cleanup: %v", left)
		}
	}
}

func (h *harness) deleteAll(ctx context.Context) error {
	seen, err := h.runtime.Observe(ctx)
	problems := []error{err}

	for id, observed := range seen {
		problems = append(problems, h.runtime.Delete(ctx, task(id, observed.Attempt)))
	}

	return errors.Join(problems...)
}

// leftovers names files that should be gone with their containers.
func (h *harness) leftovers() error {
	var problems []error

	for _, directory := range []string{"rootfs", "config", "exits", "logs/fifo", "exec"} {
		entries, err := os.ReadDir(filepath.Join(h.config.RunDir, directory))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}

		for _, entry := range entries {
			problems = append(problems, fmt.Errorf("left in %s: %s", directory, entry.Name()))
		}
	}

	return errors.Join(problems...)
}

func (h *harness) Runtime() actors.Runtime { return h.runtime }

func (h *harness) Reopen() actors.Runtime {
	must(h.t, h.runtime.Close())
	h.open()

	return h.runtime
}

func (h *harness) Service(name string, words ...string) *spec.Service {
	rootfs := filepath.Join(h.config.RootfsDir, name)
	must(h.t, os.MkdirAll(rootfs, 0o755))

	if err := os.Link(programPath, filepath.Join(rootfs, "program")); err != nil && !errors.Is(err, fs.ErrExist) {
		h.t.Fatal(err)
	}

	return &spec.Service{Name: name, Container: spec.Container{Entrypoint: "/program", Args: words}}
}

func (h *harness) Broken(name string) (*spec.Service, string) {
	broken := h.Service(name)
	broken.Container.Entrypoint = "/missing"

	return broken, `entrypoint "/missing" not found`
}

// AwaitOutput returns once the service has printed the line.
func (h *harness) AwaitOutput(ctx context.Context, id, line string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	found := errors.New("found")

	err := logs.Lines(ctx, logs.In(h.config.RunDir), id, 0, 4096, func(seen []byte) {
		if string(seen) == line {
			cancel(found)
		}
	})
	if context.Cause(ctx) == found {
		return nil
	}

	return fmt.Errorf("%q never printed %q: %w", id, line, errors.Join(err, ctx.Err()))
}

// hostContainerd starts the containerd that is installed, on directories of its own, and returns its socket.
func hostContainerd(t *testing.T) string {
	t.Helper()

	binary, err := exec.LookPath("containerd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("containerd is not installed")
		}

		t.Skip("SKIPPED: needs containerd: apt-get install containerd")
	}

	directory := newRunDir(t)
	address := filepath.Join(directory, "containerd.sock")
	config := filepath.Join(directory, "config.toml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "%[1]s/containerd.sock"
`, directory), 0o600))

	output, err := os.Create(filepath.Join(directory, "log"))
	must(t, err)

	command := exec.Command(binary, "--config", config, "--log-level", "warn")
	command.Stdout, command.Stderr = output, output
	must(t, command.Start())
	output.Close()

	t.Cleanup(func() {
		must(t, command.Process.Signal(unix.SIGTERM))

		if err := command.Wait(); err != nil && !strings.Contains(err.Error(), "signal") {
			t.Errorf("containerd: %v", err)
		}
	})

	return address
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}
