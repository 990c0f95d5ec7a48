package compat_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client"
)

// patience is how long a test waits for something that must come. It only limits how long a failure takes.
const patience = time.Minute

// node is a daemon with its own directories, certificates and port.
type node struct {
	t       testing.TB
	dir     string // short, because the paths of sockets lie in it
	address string // of the network API

	daemon *exec.Cmd
	notify *net.UnixConn // where the daemon says that it is ready
	errors *buffer       // what the daemon has said
}

// buffer is what a process prints, to be read while it runs.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.Write(data)
}

// await waits until something was printed behind the first bytes.
func (b *buffer) await(t testing.TB, behind int, want string) {
	t.Helper()

	limit := time.After(patience)

	for look := time.NewTicker(10 * time.Millisecond); !strings.Contains(b.String()[behind:], want); {
		select {
		case <-look.C:
		case <-limit:
			t.Errorf("printed %q, want %q", b.String()[behind:], want)

			return
		}
	}
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.String()
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// newNode starts a daemon with a service that runs at once and one that waits for its configuration.
func newNode(t testing.TB) *node {
	t.Helper()

	dir, err := os.MkdirTemp("/tmp", "ex")
	must(t, err)

	// The kernel chooses a port that is free.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)

	n := &node{t: t, dir: dir, address: listener.Addr().String(), errors: new(buffer)}
	must(t, listener.Close())

	n.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path("notify"), Net: "unixgram"})
	must(t, err)
	t.Cleanup(n.close)

	for _, name := range []string{"services", "rootfs/hello", "rootfs/other", "rootfs/configured", "config"} {
		must(t, os.MkdirAll(n.path(name), 0o755))
	}

	for name, rest := range map[string]string{
		"hello":      "restart: always",
		"other":      "restart: always",
		"configured": "restart: always\ndepends: [{configuration: true}]",
	} {
		must(t, os.Link(programPath, n.path("rootfs/"+name+"/program")))
		must(t, os.WriteFile(n.path("services/"+name+".yaml"), fmt.Appendf(nil,
			"name: %s\ncontainer: {entrypoint: ./program, args: [--msg, hello from %s]}\n%s\n", name, name, rest), 0o600))
	}

	n.extactor("credentials", "init", "--endpoint", "127.0.0.1", "--credentials", n.path("pki"))
	n.start()

	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// extactor runs a command to its end.
func (n *node) extactor(words ...string) string {
	n.t.Helper()

	output, err := exec.Command(extactor, words...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("extactor %s: %v\n%s", strings.Join(words, " "), err, output)
	}

	return string(output)
}

// start starts the daemon and returns when it says that it is ready.
func (n *node) start() {
	n.t.Helper()

	n.daemon = exec.Command(extactor, "daemon",
		"--services", n.path("services"), "--rootfs", n.path("rootfs"), "--config", n.path("config"), "--state", n.path("state"),
		"--run", n.path("run"), "--containerd", "embedded", "--console", "stderr", "--credentials", n.path("pki"), "--listen", n.address)
	n.daemon.Env = append(os.Environ(), "NOTIFY_SOCKET="+n.path("notify"))
	n.daemon.Stderr = n.errors
	must(n.t, n.daemon.Start())

	must(n.t, n.notify.SetReadDeadline(time.Now().Add(patience)))

	for message := make([]byte, 1024); ; {
		count, err := n.notify.Read(message)
		if err != nil {
			n.t.Fatalf("the daemon is not ready: %v\n%s", err, n.errors)
		}

		if strings.Contains(string(message[:count]), "READY=1") {
			return
		}
	}
}

// kill ends the daemon as a crash does; the services run on.
func (n *node) kill() {
	n.t.Helper()
	must(n.t, n.daemon.Process.Kill())
	_ = n.daemon.Wait() // it was killed
}

// close stops everything, and looks for what is left.
func (n *node) close() {
	if n.daemon != nil && n.daemon.ProcessState == nil {
		_ = n.daemon.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := n.daemon.Wait(); err != nil {
			n.t.Errorf("the daemon ended with %v", err)
		}
	}

	n.notify.Close()

	if n.t.Failed() {
		n.t.Logf("the daemon said:\n%s", n.errors)
	}

	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), n.dir+"/") {
		n.t.Errorf("mounts are left, or not known: %v", err)
	}

	if err := os.RemoveAll(n.dir); err != nil {
		n.t.Error(err)
	}
}

// talosconfig makes credentials of a role, and returns the file.
func (n *node) talosconfig(role string) string {
	n.t.Helper()

	file := n.path("talosconfig-" + role)
	if _, err := os.Stat(file); err != nil {
		n.extactor("credentials", "client", "--role", role, "--ttl", "1h", "--credentials", n.path("pki"), "--endpoint", "127.0.0.1", "-o", file)
	}

	return file
}

// client connects with credentials of a role.
func (n *node) client(role string) *client.Client {
	n.t.Helper()

	return n.dial(client.WithConfigFromFile(n.talosconfig(role)))
}

func (n *node) dial(options ...client.OptionFunc) *client.Client {
	n.t.Helper()

	connected, err := client.New(context.Background(), append(options, client.WithEndpoints(n.address))...)
	must(n.t, err)
	n.t.Cleanup(func() { connected.Close() })

	return connected
}
