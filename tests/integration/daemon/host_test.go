package daemon_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
)

// host is a set of scratch directories with at most one daemon on them.
type host struct {
	t          testing.TB
	dir        string
	services   string
	rootfs     string
	config     string
	state      string
	run        string
	containerd string   // --containerd
	console    string   // --console
	flags      []string // more of them for the daemon
	netns      string   // name of the network namespace of the daemon; empty: that of the host
	program    string   // of the daemon; empty: the one that is tested

	daemon *daemon // nil while none runs
	last   *daemon // the newest one
}

// daemon is one run of `extactor daemon`.
type daemon struct {
	pid     int
	command *exec.Cmd
	console *feed[string] // lines of its standard error
	notes   *feed[string] // what it told the service manager
	ended   chan struct{} // closed once it has ended
	client  *api.Client   // nil until it is ready
	records *feed[*record]
}

func newHost(t testing.TB) *host {
	t.Helper()

	// Short, because the paths of sockets lie in it.
	dir, err := os.MkdirTemp("/tmp", "ex")
	must(t, err)

	h := &host{
		t: t, dir: dir, containerd: "embedded", console: "stderr",
		services: filepath.Join(dir, "s"), rootfs: filepath.Join(dir, "r"), config: filepath.Join(dir, "c"),
		state: filepath.Join(dir, "state"), run: filepath.Join(dir, "run"),
	}

	for _, directory := range []string{h.services, h.rootfs, h.config} {
		must(t, os.Mkdir(directory, 0o755))
	}

	t.Cleanup(h.close)

	return h
}

// service writes a service file and its root file system. The words are what its program does; the rest is the file's
// text beside name and container.
func (h *host) service(name, rest string, words ...string) {
	h.t.Helper()
	h.file(name, container{Entrypoint: "./program", Args: words}, rest)

	rootfs := filepath.Join(h.rootfs, name)
	must(h.t, os.MkdirAll(rootfs, 0o755))

	if err := os.Link(programPath, filepath.Join(rootfs, "program")); err != nil && !errors.Is(err, os.ErrExist) {
		h.t.Fatal(err)
	}
}

// container is that part of a service file; JSON is YAML too.
type container struct {
	Entrypoint  string   `json:"entrypoint"`
	Args        []string `json:"args,omitempty"`
	Environment []string `json:"environment,omitempty"`
	Mounts      []mount  `json:"mounts,omitempty"`
}

type mount struct {
	Source      string   `json:"source"`
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Options     []string `json:"options"`
}

func bind(source, destination string) mount {
	return mount{Source: source, Destination: destination, Type: "bind", Options: []string{"bind", "rw"}}
}

func (h *host) file(name string, inner container, rest string) {
	h.t.Helper()

	encoded, err := json.Marshal(inner)
	must(h.t, err)
	h.write(name+".yaml", fmt.Sprintf("name: %s\ncontainer: %s\n%s\n", name, encoded, rest))
}

func (h *host) write(file, text string) {
	h.t.Helper()
	must(h.t, os.WriteFile(filepath.Join(h.services, file), []byte(text), 0o644))
}

// arguments are the command line of the daemon.
func (h *host) arguments() []string {
	words := []string{
		cmp.Or(h.program, extactor), "daemon", "--services", h.services, "--rootfs", h.rootfs, "--config", h.config, "--state", h.state,
		"--run", h.run, "--containerd", h.containerd, "--console", h.console,
	}
	words = append(words, h.flags...)

	if h.netns != "" {
		// Not "ip netns exec", which would also give it another /sys, without cgroups.
		words = append([]string{"nsenter", "--net=/run/netns/" + h.netns}, words...)
	}

	return words
}

// launch starts the daemon and does not wait for it.
func (h *host) launch() *daemon {
	h.t.Helper()

	d := &daemon{console: newFeed[string](), notes: newFeed[string](), records: newFeed[*record](), ended: make(chan struct{})}
	notify := d.listen(h)
	words := h.arguments()
	d.command = exec.Command(words[0], words[1:]...)
	d.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify)

	stderr, err := d.command.StderrPipe()
	must(h.t, err)
	must(h.t, d.command.Start())

	d.pid = d.command.Process.Pid
	h.daemon, h.last = d, d

	go func() {
		defer close(d.ended)
		defer d.console.end()

		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			d.console.add(lines.Text())
		}

		_ = d.command.Wait()
	}()

	return d
}

// listen takes the part of the service manager.
func (d *daemon) listen(h *host) string {
	h.t.Helper()

	path := filepath.Join(h.dir, "notify")
	_ = os.Remove(path) // of an earlier run

	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(h.t, err)

	go func() {
		<-d.ended
		socket.Close()
		d.notes.end()
	}()

	go func() {
		buffer := make([]byte, 4096)

		for {
			count, err := socket.Read(buffer)
			if err != nil {
				return
			}

			d.notes.add(string(buffer[:count]))
		}
	}()

	return path
}

// start starts the daemon and waits until it is ready.
func (h *host) start() *daemon {
	h.t.Helper()

	d := h.launch()
	h.ready(d)
	h.connect(d)

	return d
}

func (h *host) ready(d *daemon) {
	h.t.Helper()
	d.notes.await(h.t, "READY=1 (the console says:\n"+d.said()+")", func(note string) bool { return note == "READY=1" })
}

func (h *host) connect(d *daemon) {
	h.t.Helper()

	client, err := api.Dial(h.socket())
	must(h.t, err)

	d.client = client
	d.follow(h.t)
}

func (h *host) socket() string { return filepath.Join(h.run, api.SocketName) }

func (d *daemon) said() string {
	lines, _, _ := d.console.all()

	return strings.Join(lines, "\n")
}

// signal sends a signal to the daemon.
func (h *host) signal(signal unix.Signal) {
	h.t.Helper()
	must(h.t, h.daemon.command.Process.Signal(signal))
}

// end sends a signal to the daemon, waits until it has ended, and returns how.
func (h *host) end(signal unix.Signal) syscall.WaitStatus {
	h.t.Helper()
	h.signal(signal)

	return h.awaitEnd()
}

func (h *host) awaitEnd() syscall.WaitStatus {
	h.t.Helper()

	d := h.daemon

	select {
	case <-d.ended:
	case <-time.After(patience):
		h.t.Fatalf("the daemon does not end; it says:\n%s", d.said())
	}

	if d.client != nil {
		d.client.Close()
	}

	h.daemon = nil

	return d.command.ProcessState.Sys().(syscall.WaitStatus)
}

// outcome is what one command line did.
type outcome struct {
	stdout, stderr string
	code           int
}

// cli runs a client command that asks this host's daemon.
func (h *host) cli(words ...string) outcome {
	h.t.Helper()

	return h.cliWith([]string{"EXTACTOR_SOCKET=" + h.socket()}, words...)
}

func (h *host) cliWith(environment []string, words ...string) outcome {
	h.t.Helper()

	var stdout, stderr bytes.Buffer

	command := exec.CommandContext(h.t.Context(), extactor, words...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.Env = append(os.Environ(), environment...)

	var failed *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &failed) {
		h.t.Fatal(err)
	}

	return outcome{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// done is what a command printed that must have ended with code 0 and said nothing on stderr.
func (o outcome) done(t testing.TB) string {
	t.Helper()

	if o.code != 0 || o.stderr != "" {
		t.Fatalf("exit code %d, stdout:\n%s\nstderr:\n%s", o.code, o.stdout, o.stderr)
	}

	return o.stdout
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// matches demands that the whole text matches.
func matches(t testing.TB, what, text, pattern string) {
	t.Helper()

	if !regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(text) {
		t.Errorf("%s:\n%s\ndoes not match:\n%s", what, text, pattern)
	}
}

func list[T any](items []T) string {
	var text strings.Builder
	for _, item := range items {
		fmt.Fprintf(&text, "  %v\n", item)
	}

	return text.String()
}
