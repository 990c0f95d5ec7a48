package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/service"
)

// command is a request that runs the test program with these words.
func command(words ...string) service.ExecRequest {
	return service.ExecRequest{Args: append([]string{"/program"}, words...)}
}

func TestExec(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			program := h.Service("host", "print", "ready", "serve")
			program.Container.Environment = []string{"KEPT=kept", "CHANGED=before"}
			host, _ := h.start(1, program)
			must(t, h.AwaitOutput(t.Context(), host.ID, "ready"))

			t.Run("output, error output and code", func(t *testing.T) {
				h.wantExec(host, command("print", "out", "warn", "err", "exit", "7"), 7, "out\n", "err\n")
			})
			t.Run("environment", func(t *testing.T) {
				request := command("environment", "KEPT", "environment", "CHANGED", "exit", "0")
				request.Env = []string{"CHANGED=after"}
				h.wantExec(host, request, 0, "kept\nafter\n", "")
			})
			t.Run("working directory", func(t *testing.T) {
				request := command("read", "self/comm", "exit", "0")
				request.Cwd = "/proc"
				h.wantExec(host, request, 0, "program\n\n", "")
			})
			t.Run("input", func(t *testing.T) {
				request := command("copy", "exit", "0")
				input := strings.Repeat("0123456789abcdef", 20_000) // more than a pipe holds
				request.Stdin = strings.NewReader(input)
				h.wantExec(host, request, 0, input, "")
			})
			t.Run("much output", func(t *testing.T) {
				var want strings.Builder
				for line := range 50_000 {
					want.WriteString("line " + strconv.Itoa(line) + "\n")
				}

				h.wantExec(host, command("spam", "50000", "exit", "3"), 3, want.String(), "")
			})
			t.Run("output that nobody wants", func(t *testing.T) {
				request := command("spam", "50000", "exit", "3")
				request.Stdout = brokenWriter{}
				code, err := h.runtime.Exec(t.Context(), host, request)

				if code != 3 || err != nil {
					t.Errorf("code %d: %v", code, err)
				}
			})
			t.Run("terminal", func(t *testing.T) { h.terminal(host) })
			t.Run("cancelled", func(t *testing.T) { h.cancelled(host) })
			t.Run("cancelled while it is made", func(t *testing.T) { h.cancelledEarly(host) })
			t.Run("what cannot be run", func(t *testing.T) { h.notRun(host) })
			t.Run("the task ends meanwhile", func(t *testing.T) {
				output := newAwaitedOutput("ready\n")
				request := command("print", "ready", "stubborn")
				request.Stdout = output
				ended := make(chan int, 1)

				go func() {
					code, err := h.runtime.Exec(t.Context(), host, request)
					if err != nil {
						t.Error(err)
					}

					ended <- code
				}()

				<-output.seen
				must(t, h.runtime.Signal(t.Context(), host, "SIGTERM"))
				h.wait(host)

				if code := <-ended; code != 137 {
					t.Errorf("code %d", code)
				}

				if code, err := h.runtime.Exec(t.Context(), host, command("exit", "0")); code != -1 || err == nil ||
					!strings.Contains(err.Error(), "not running") {
					t.Errorf("in a task that has ended: %d, %v", code, err)
				}
			})
			must(t, h.runtime.Delete(t.Context(), host))

			if code, err := h.runtime.Exec(t.Context(), host, command("exit", "0")); code != -1 || err == nil ||
				!strings.Contains(err.Error(), "not running") {
				t.Errorf("in a task that is gone: %d, %v", code, err)
			}
		})
	}
}

func (h *harness) wantExec(host service.Task, request service.ExecRequest, code int, stdout, stderr string) {
	h.t.Helper()

	var out, problems bytes.Buffer

	request.Stdout, request.Stderr = &out, &problems

	got, err := h.runtime.Exec(h.t.Context(), host, request)
	if got != code || err != nil || out.String() != stdout || problems.String() != stderr {
		h.t.Errorf("%q: code %d, %v\n%.200q (%d bytes)\n%.200q", request.Args, got, err, out.String(), out.Len(), problems.String())
	}

	h.wantNoFIFOs(host)
}

func (h *harness) wantNoFIFOs(host service.Task) {
	h.t.Helper()

	left, err := os.ReadDir(filepath.Join(h.config.RunDir, "exec", host.ID))
	if err != nil || len(left) > 0 {
		h.t.Errorf("left of the command: %v, %v", left, err)
	}
}

func (h *harness) terminal(host service.Task) {
	h.t.Helper()

	sizes := make(chan service.WindowSize, 1)
	sizes <- service.WindowSize{Columns: 132, Rows: 43}

	output := newAwaitedOutput("")
	request := command("window", "warn", "also here", "exit", "5")
	request.Terminal, request.Resize, request.Stdout = true, sizes, output
	request.Stdin = strings.NewReader("")

	code, err := h.runtime.Exec(h.t.Context(), host, request)
	if code != 5 || err != nil || output.text() != "132x43\r\nalso here\r\n" {
		h.t.Errorf("code %d, %v: %q", code, err, output.text())
	}

	h.wantNoFIFOs(host)
}

// A command that is no longer wanted is killed with what it started, even if that holds its output open.
func (h *harness) cancelled(host service.Task) {
	h.t.Helper()

	before := h.processes(host)

	for _, words := range [][]string{
		{"print", "ready", "stubborn"}, {"child", "print", "ready", "stubborn"}, {"child", "print", "ready", "exit", "0"},
	} {
		ctx, cancel := context.WithCancelCause(h.t.Context())
		output := newAwaitedOutput("ready\n")
		input, writer := io.Pipe()
		request := command(words...)
		request.Stdin, request.Stdout = input, output

		go func() {
			<-output.seen
			cancel(errors.New("no longer wanted"))
		}()

		code, err := h.runtime.Exec(ctx, host, request)
		if code != -1 || err == nil || !strings.Contains(err.Error(), "no longer wanted") {
			h.t.Errorf("%q: code %d, %v", words, code, err)
		}

		must(h.t, writer.Close())

		if after := h.processes(host); after != before {
			h.t.Errorf("%q: processes in the cgroup: %q, before it was %q", words, after, before)
		}

		h.wantNoFIFOs(host)
	}
}

// cancelledEarly gives commands up while they are made: whatever was made by then is removed.
func (h *harness) cancelledEarly(host service.Task) {
	h.t.Helper()

	before := h.processes(host)

	for range 20 {
		ctx, cancel := context.WithCancelCause(h.t.Context())

		go func() {
			defer cancel(errors.New("no longer wanted"))

			for h.t.Context().Err() == nil { // its FIFOs appear just before containerd is asked to make it
				if made, _ := os.ReadDir(filepath.Join(h.config.RunDir, "exec", host.ID)); len(made) > 0 {
					return
				}

				runtime.Gosched()
			}
		}()

		code, err := h.runtime.Exec(ctx, host, command("stubborn"))
		if code != -1 || err == nil || !strings.Contains(err.Error(), "no longer wanted") {
			h.t.Fatalf("code %d, %v", code, err)
		}

		if after := h.processes(host); after != before {
			h.t.Errorf("processes in the cgroup: %q, before it was %q", after, before)
		}

		h.wantNoFIFOs(host)
	}
}

func (h *harness) processes(host service.Task) string {
	h.t.Helper()

	return readLimit(h.t, "/"+h.config.Namespace+"/"+host.ID, "cgroup.procs")
}

func (h *harness) notRun(host service.Task) {
	h.t.Helper()

	must(h.t, os.WriteFile(filepath.Join(h.config.RootfsDir, "host", "text"), []byte("text"), 0o644))

	for _, row := range []struct {
		request service.ExecRequest
		code    int
		problem string
	}{
		{service.ExecRequest{Args: []string{"/missing"}}, 127, `command "/missing" not found in the container`},
		{service.ExecRequest{Args: []string{"missing"}}, 127, `command "missing" not found in any directory of PATH`},
		{service.ExecRequest{Args: []string{"/text"}}, 126, `command "/text" is not an executable file`},
		{service.ExecRequest{Args: []string{"/proc"}}, 126, `command "/proc" is not an executable file`},
		{service.ExecRequest{Args: []string{"/program"}, Cwd: "/nowhere"}, -1, "/nowhere"},
		{service.ExecRequest{}, -1, "no command is given"},
	} {
		row.request.Stdin = strings.NewReader("input")

		code, err := h.runtime.Exec(h.t.Context(), host, row.request)
		if code != row.code || err == nil || !strings.Contains(err.Error(), row.problem) || !strings.Contains(err.Error(), host.ID) {
			h.t.Errorf("%q: code %d, %v", row.request.Args, code, err)
		}
	}

	h.wantNoFIFOs(host)
}

// Commands at the same time neither disturb each other nor leave anything behind.
func TestExecsAtTheSameTime(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	host, started := h.start(1, h.Service("host", "print", "ready", "serve"))
	must(t, h.AwaitOutput(t.Context(), host.ID, "ready"))
	h.wantExec(host, command("exit", "0"), 0, "", "")

	goroutines := runtime.NumGoroutine()
	finished := make(chan struct{})

	for index := range 8 {
		go func() {
			text := strconv.Itoa(index)
			h.wantCode(host, command("print", text, "exit", text), index, text+"\n")
			finished <- struct{}{}
		}()
	}

	for range 8 {
		<-finished
	}

	h.wantNoFIFOs(host)

	directories, err := cgroup.Directories("/" + h.config.Namespace + "/" + host.ID)
	must(t, err)

	for _, directory := range directories {
		if left, _ := os.ReadFile(filepath.Join(directory, "cgroup.procs")); strings.TrimSpace(string(left)) != strconv.Itoa(int(started.PID)) {
			t.Errorf("processes in %s: %q", directory, left)
		}
	}

	// Those that are on their way out are given the processor until they are gone.
	for range 1_000_000 {
		if runtime.NumGoroutine() <= goroutines {
			return
		}

		runtime.Gosched()
	}

	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines, before it was %d\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
}

func (h *harness) wantCode(host service.Task, request service.ExecRequest, code int, stdout string) {
	var out bytes.Buffer

	request.Stdout = &out

	if got, err := h.runtime.Exec(h.t.Context(), host, request); got != code || err != nil || out.String() != stdout {
		h.t.Errorf("%q: code %d, %v, %q", request.Args, got, err, out.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

// awaitedOutput tells when a text was printed.
type awaitedOutput struct {
	lines chan []byte // holds one: all of them
	want  string
	seen  chan struct{}
}

func newAwaitedOutput(want string) *awaitedOutput {
	output := &awaitedOutput{lines: make(chan []byte, 1), want: want, seen: make(chan struct{})}
	output.lines <- nil

	return output
}

func (o *awaitedOutput) Write(data []byte) (int, error) {
	lines := append(<-o.lines, data...)
	o.lines <- lines

	if o.want != "" && bytes.Contains(lines, []byte(o.want)) {
		o.want = ""

		close(o.seen)
	}

	return len(data), nil
}

func (o *awaitedOutput) text() string {
	lines := <-o.lines
	o.lines <- lines

	return string(lines)
}
