package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
)

// asProgram makes the test binary the program itself.
const asProgram = "EXTACTOR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}

	os.Exit(m.Run())
}

// program is the program as a process of its own.
func program(t *testing.T, environment []string, args ...string) *exec.Cmd {
	t.Helper()

	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append([]string{asProgram + "=1", "HOME=/", "TERM=xterm"}, environment...)

	return command
}

func TestExitCodes(t *testing.T) {
	socket := furnished().open(t)

	for _, row := range []struct {
		args []string
		code int
		// what stderr says; done says nothing, the others one line
		stderr string
	}{
		{[]string{"status", "--socket", socket}, 0, ""},
		{[]string{"--help"}, 0, ""},
		{[]string{"completion", "bash"}, 0, ""},
		{[]string{"status", "--socket", "/nowhere/s"}, 1, "extactor: no extactor daemon answers at /nowhere/s; start one with: extactor daemon\n"},
		{[]string{"status", "x", "--socket", socket}, 1, `extactor: service "x" is not known; known services: containerd, ext-hello-world, ext-new, ext-retry, ext-waiting` + "\n"},
		{[]string{"status", "--bad"}, 2, "extactor: unknown flag: --bad; see: extactor status --help\n"},
		{[]string{"dashboard", "--socket", socket}, 1, "extactor: the dashboard needs a terminal; without one there is: extactor status --watch\n"},
		{[]string{"nonsense"}, 2, "extactor: unknown command \"nonsense\"; see: extactor --help\n"},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer

			command := program(t, nil, row.args...)
			command.Stdout, command.Stderr = &stdout, &stderr

			err := command.Run()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}

			if code := command.ProcessState.ExitCode(); code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}

			if stderr.String() != row.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), row.stderr)
			}

			if (stdout.Len() > 0) != (row.code == 0) {
				t.Errorf("stdout %q", stdout.String())
			}
		})
	}
}

// Colours are for terminals: a pipe gets none, unless somebody insists, and NO_COLOR is stronger than that.
func TestColours(t *testing.T) {
	socket := socketVariable + "=" + furnished().open(t)

	for _, row := range []struct {
		name        string
		environment []string
		colours     bool
	}{
		{"a pipe", nil, false},
		{"a pipe that wants them", []string{"CLICOLOR_FORCE=1"}, true},
		{"NO_COLOR", []string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, false},
	} {
		output, err := program(t, append(row.environment, socket), "status").Output()
		if err != nil {
			t.Fatal(err)
		}

		if got := bytes.Contains(output, []byte("\x1b[")); got != row.colours {
			t.Errorf("%s: colours %v, want %v:\n%q", row.name, got, row.colours, output)
		}
	}
}

// On a pipe a watch prints what there is, then the rows that change, under one heading.
func TestWatchPrintsWhatChanges(t *testing.T) {
	house := furnished()
	command := program(t, []string{socketVariable + "=" + house.open(t)}, "status", "hello-world", "containerd", "--watch")

	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	lines := bufio.NewScanner(output)
	next := func(want ...string) {
		t.Helper()

		if !lines.Scan() {
			t.Fatalf("the output ended: %v", lines.Err())
		}

		for i, word := range strings.Fields(lines.Text())[:len(want)] {
			if word != want[i] {
				t.Fatalf("line %q, want %q", lines.Text(), want)
			}
		}
	}

	next("SERVICE", "STATE", "HEALTH", "LAST", "CHANGE")
	next("containerd", "Running", "OK")
	next("ext-hello-world", "Running", "?")

	// What was not asked for is not shown.
	other, _ := house.View("ext-retry")
	other.Revision = 40
	house.set(other)

	hello, _ := house.View("ext-hello-world")
	hello.State, hello.Revision = events.StateStopping, 41
	house.set(hello)
	next("ext-hello-world", "Stopping", "?")

	hello.State, hello.Revision = events.StateFinished, 42
	house.set(hello)
	next("ext-hello-world", "Finished", "?")

	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}

	if err := command.Wait(); err == nil {
		t.Error("an interrupted watch claims to be done")
	}
}

func TestSignalsAreWishes(t *testing.T) {
	var milliseconds atomic.Int64

	now := func() time.Time { return time.UnixMilli(milliseconds.Load()) }
	signals := make(chan os.Signal)
	wanted := wishes{stop: make(chan struct{}), hurry: make(chan struct{}), leave: make(chan struct{})}

	go wanted.follow(signals, now)
	defer close(signals)

	signals <- unix.SIGTERM
	<-wanted.stop

	// Once it stops it does not leave any more: the services are going down.
	signals <- unix.SIGUSR1

	// The same wish, told to the process and to its group. The next signal is taken once it was considered.
	signals <- unix.SIGTERM
	signals <- unix.SIGUSR1

	select {
	case <-wanted.hurry:
		t.Error("one wish that came twice hurries")
	default:
	}

	milliseconds.Store(echo.Milliseconds())

	signals <- unix.SIGINT
	<-wanted.hurry

	select {
	case <-wanted.leave:
		t.Error("it would leave services running that are being stopped")
	default:
	}
}

func TestLeaveThenStop(t *testing.T) {
	signals := make(chan os.Signal)
	wanted := wishes{stop: make(chan struct{}), hurry: make(chan struct{}), leave: make(chan struct{})}

	go wanted.follow(signals, time.Now)
	defer close(signals)

	signals <- unix.SIGUSR1
	<-wanted.leave

	signals <- unix.SIGUSR1 // again: nothing
	signals <- unix.SIGTERM
	<-wanted.stop
}
