package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// When containerd dies, services go on; it comes back, and what ended meanwhile is known.
func TestContainerdIsKilled(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("steady", "restart: always", "serve")
	h.service("ending", "restart: never", "print", "ready", "await", "exit", "5")

	d := h.start()
	d.started(t, 0, "ext-steady")
	d.started(t, 0, "ext-ending")
	h.printed("ext-ending", "ready")

	steady := d.state(t, "ext-steady", "Running").GetPid()
	ending := int(d.state(t, "ext-ending", "Running").GetPid())
	before := d.now(t)

	// A stopped daemon cannot start it again, so that the service certainly ends while there is no containerd.
	h.signal(unix.SIGSTOP)
	must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
	proceed(t, ending)
	h.signal(unix.SIGCONT)

	down := d.event(t, before, "containerd", "Waiting for containerd: .*")
	back := d.event(t, down.GetSeq(), "containerd", "Connected to containerd .*")
	d.event(t, before, "ext-ending", fmt.Sprintf(`Task ext-ending \(PID %d\) exited with code 5: last line "ready"`, ending))

	if failed := d.state(t, "ext-ending", "Failed").GetLastExit(); !failed.GetKnown() || failed.GetCode() != 5 {
		t.Errorf("the exit: %v", failed)
	}

	if now := d.state(t, "ext-steady", "Running"); now.GetPid() != steady || now.GetAttempt() != 1 {
		t.Errorf("the other: %v", now)
	}

	// It is under control as before.
	h.cli("service", "steady", "restart").done(t)
	d.started(t, back.GetSeq(), "ext-steady")
}

// A containerd of the host is used as it is.
func TestHostContainerd(t *testing.T) {
	t.Parallel()

	address := hostContainerd(t) // before the host, so that it goes after it
	h := newHost(t)
	h.containerd = address
	h.service("guest", "restart: always", "print", "hello", "await", "exit", "4")

	d := h.start()
	d.event(t, 0, "containerd", "Connected to containerd .* at "+address)
	d.started(t, 0, "ext-guest")
	h.printed("ext-guest", "hello")

	pid := d.state(t, "ext-guest", "Running").GetPid()

	h.end(unix.SIGKILL)

	d = h.start()
	d.event(t, 0, "ext-guest", fmt.Sprintf(`Adopted running task ext-guest \(PID %d\) for container ext-guest`, pid))

	before := d.now(t)
	proceed(t, int(pid))
	d.event(t, before, "ext-guest", fmt.Sprintf(`Task ext-guest \(PID %d\) exited with code 4: last line "hello"`, pid))
	d.started(t, before, "ext-guest")
}

// Without containerd everything can still be stopped, and the daemon ended. The next one takes over from there.
func TestContainerdStaysAway(t *testing.T) {
	t.Parallel()

	server := newContainerd(t)
	h := newHost(t)
	h.containerd = server.address()

	for _, name := range []string{"one", "two"} {
		h.service(name, "restart: always", "serve")
	}

	h.service("deaf", "restart: always\nextactor: {stop: {timeout: 100ms}}", "print", "ready", "stubborn")

	d := h.start()
	for _, id := range []string{"ext-one", "ext-two", "ext-deaf"} {
		d.started(t, 0, id)
	}

	h.printed("ext-deaf", "ready")

	before := d.now(t)

	server.end(unix.SIGKILL)
	d.event(t, before, "containerd", "Waiting for containerd: .*was lost.*")
	away := d.event(t, before, "containerd", "Waiting for containerd: cannot connect to .*: connection refused")

	h.cli("service", "one", "stop").done(t)
	d.state(t, "ext-one", "Finished")

	h.signal(unix.SIGTERM)

	if status := h.awaitEnd(); status.ExitStatus() != 0 {
		t.Errorf("exit status %d", status)
	}

	server.start()

	d = h.start()
	back := d.event(t, away.GetSeq(), "containerd", "Connected to containerd .*")
	d.started(t, back.GetSeq(), "ext-two")
	d.started(t, back.GetSeq(), "ext-deaf")
	d.state(t, "ext-one", "Finished")
}

// hostContainerd starts the containerd that is installed, on directories of its own, and returns its socket.
func hostContainerd(t *testing.T) string { return newContainerd(t).address() }

// containerd is the one that is installed, on directories of its own.
type containerd struct {
	t         *testing.T
	directory string
	command   *exec.Cmd
}

func newContainerd(t *testing.T) *containerd {
	t.Helper()

	if _, err := exec.LookPath("containerd"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("containerd is not installed")
		}

		t.Skip("SKIPPED: needs containerd: apt-get install containerd")
	}

	directory, err := os.MkdirTemp("/tmp", "exc")
	must(t, err)

	c := &containerd{t: t, directory: directory}
	must(t, os.WriteFile(c.config(), fmt.Appendf(nil, `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "%[1]s/containerd.sock"
`, directory), 0o600))
	c.start()

	t.Cleanup(func() {
		c.end(unix.SIGTERM)

		if left := processesNaming(directory); len(left) > 0 {
			t.Errorf("left behind:\n%s", list(left))
		}

		must(t, os.RemoveAll(directory))
	})

	return c
}

func (c *containerd) config() string  { return filepath.Join(c.directory, "config.toml") }
func (c *containerd) address() string { return filepath.Join(c.directory, "containerd.sock") }

func (c *containerd) start() {
	c.t.Helper()

	c.command = exec.Command("containerd", "--config", c.config(), "--log-level", "warn")
	must(c.t, c.command.Start())
}

func (c *containerd) end(signal unix.Signal) {
	c.t.Helper()
	must(c.t, c.command.Process.Signal(signal))

	_ = c.command.Wait()
}
