package packaging_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unit is where the package puts it.
const unit = "/usr/lib/systemd/system/extactor.service"

// patience is how long the test waits for something that must come. It only limits how long a failure takes.
const patience = time.Minute

// daemon runs the unit's ExecStart by hand, on scratch directories and with the installed example.
type daemon struct {
	t       *testing.T
	dir     string
	words   []string
	command *exec.Cmd
	said    chan string // lines of its standard error
	passed  []string    // those that were read already
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()

	dir, err := os.MkdirTemp("/tmp", "ex")
	must(t, err)

	services, rootfs := filepath.Join(dir, "services"), filepath.Join(dir, "rootfs", "hello-world")
	must(t, os.MkdirAll(services, 0o755))
	must(t, os.MkdirAll(rootfs, 0o755))
	must(t, os.WriteFile(filepath.Join(services, "hello-world.yaml"), []byte(`name: hello-world
container: {entrypoint: ./hello-world, args: [--msg, installed]}
logToConsole: true
restart: always
`), 0o644))
	command(t, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", rootfs+"/hello-world", root+"/examples/hello-world")

	content, err := os.ReadFile(unit)
	must(t, err)

	line := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(content)
	if line == nil {
		t.Fatalf("no ExecStart in %s", unit)
	}

	d := &daemon{t: t, dir: dir, words: append(strings.Fields(string(line[1])),
		"--services", services, "--rootfs", filepath.Dir(rootfs), "--config", filepath.Join(dir, "config"),
		"--state", filepath.Join(dir, "state"), "--run", filepath.Join(dir, "run"), "--containerd", "embedded", "--console", "stderr")}

	t.Cleanup(func() {
		if d.command != nil {
			d.end(unix.SIGTERM)
		}

		must(t, os.RemoveAll(dir))
	})

	return d
}

// start starts it and waits until it tells the service manager that it is ready.
func (d *daemon) start() {
	d.t.Helper()

	path := filepath.Join(d.dir, "notify")
	_ = os.Remove(path)

	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(d.t, err)

	defer manager.Close()

	d.command = exec.Command(d.words[0], d.words[1:]...)
	d.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	stderr, err := d.command.StderrPipe()
	must(d.t, err)
	must(d.t, d.command.Start())

	const many = 1000 // lines; more than it can say
	said := make(chan string, many)
	d.said, d.passed = said, nil

	go func() {
		defer close(said)

		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said <- lines.Text()
		}
	}()

	must(d.t, manager.SetReadDeadline(time.Now().Add(patience)))

	note := make([]byte, 4096)

	count, err := manager.Read(note)
	if err != nil || string(note[:count]) != "READY=1" {
		d.t.Fatalf("it tells the service manager %q, %v", note[:count], err)
	}
}

// line waits for a line that matches, and returns its first group. Lines of the service and of the daemon come in any
// order: those that were passed over are looked at again.
func (d *daemon) line(pattern string) string {
	d.t.Helper()

	expression, deadline := regexp.MustCompile(pattern), time.After(patience)

	for _, line := range d.passed {
		if match := expression.FindStringSubmatch(line); match != nil {
			return match[len(match)-1]
		}
	}

	for {
		select {
		case line, more := <-d.said:
			d.passed = append(d.passed, line)

			if match := expression.FindStringSubmatch(line); match != nil {
				return match[len(match)-1]
			}

			if !more {
				d.t.Fatalf("it ended without %s:\n%s", pattern, strings.Join(d.passed, "\n"))
			}
		case <-deadline:
			d.t.Fatalf("waited in vain for %s:\n%s", pattern, strings.Join(d.passed, "\n"))
		}
	}
}

// end sends a signal and waits until it has ended without an error.
func (d *daemon) end(signal unix.Signal) {
	d.t.Helper()
	must(d.t, d.command.Process.Signal(signal))

	for range d.said { // until its standard error is closed
	}

	if err := d.command.Wait(); err != nil {
		d.t.Errorf("after %v: %v", signal, err)
	}

	d.command = nil
}
