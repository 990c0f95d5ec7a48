package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// pseudoTerminal is a terminal of this size: what is read from ours is what a person would see.
func pseudoTerminal(t *testing.T, width, height uint16) (ours, theirs *os.File) {
	t.Helper()

	// Not blocking, so that a read can have a deadline.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no pseudo terminal: %v", err)
		}

		t.Skipf("SKIPPED: needs pseudo terminals: %v", err)
	}

	ours = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { ours.Close() })

	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}

	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}

	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { theirs.Close() })

	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		t.Fatal(err)
	}

	return ours, theirs
}

// readUntil reads what appears until these words have.
func readUntil(t *testing.T, from *os.File, words string) string {
	t.Helper()

	if err := from.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}

	var seen bytes.Buffer

	buffer := make([]byte, 4096)

	for !strings.Contains(seen.String(), words) {
		n, err := from.Read(buffer)
		seen.Write(buffer[:n])

		if err != nil {
			t.Fatalf("no %q in %q: %v", words, seen.String(), err)
		}
	}

	return seen.String()
}

// On a terminal a watch has the other screen, follows what changes and the size, and gives everything back when it is
// interrupted.
func TestWatchOnATerminal(t *testing.T) {
	ours, theirs := pseudoTerminal(t, 80, 24)
	house := furnished()

	command := program(t, []string{socketVariable + "=" + house.open(t), "NO_COLOR=1"}, "status", "--watch")
	command.Stdout, command.Stderr = theirs, theirs

	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	first := readUntil(t, ours, "ext-waiting")
	if !strings.HasPrefix(first, enterScreen) || !strings.Contains(first, "SERVICE") {
		t.Errorf("the first screen is %q", first)
	}

	changed, _ := house.View("ext-new")
	changed.State, changed.Revision = events.StateFailed, 40
	house.set(changed)
	readUntil(t, ours, "Failed")

	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 30, Row: 3}); err != nil {
		t.Fatal(err)
	}

	// It is not this process's controlling terminal, so that the kernel does not tell by itself.
	if err := command.Process.Signal(unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}

	readUntil(t, ours, "… and 4 more")

	if err := command.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}

	readUntil(t, ours, leaveScreen)

	if err := command.Wait(); err == nil || command.ProcessState.ExitCode() != 130 {
		t.Errorf("the interrupted watch ended with %v", command.ProcessState)
	}
}

// A screen that would be the same is not written again.
func TestScreenIsWrittenOnlyWhenItChanges(t *testing.T) {
	application, stdout, _ := testApp()
	shown := &watched{services: map[string]*apiv1.Service{}}
	service := &apiv1.Service{Id: "a", State: events.StateWaiting, Health: &apiv1.Health{Unknown: true}}
	shown.update(&apiv1.StatusResponse{Services: []*apiv1.Service{service}})

	application.draw(shown)

	first := stdout.String()
	if !strings.Contains(first, "Waiting") {
		t.Fatalf("screen %q", first)
	}

	application.draw(shown)

	if stdout.String() != first {
		t.Errorf("the same screen was written again: %q", stdout.String()[len(first):])
	}

	service.State = events.StateRunning
	application.draw(shown)

	if !strings.Contains(stdout.String()[len(first):], "Running") {
		t.Errorf("the change was not written: %q", stdout.String())
	}

	shown.update(&apiv1.StatusResponse{Removed: []string{"a"}})

	if len(shown.services) != 0 {
		t.Error("what is gone is still shown")
	}
}

// What is wide is cut by what it takes on the screen, and never in the middle of a character.
func TestCut(t *testing.T) {
	for _, row := range []struct {
		text  string
		width int
		want  string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"hello", 1, "…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"", 0, ""},
	} {
		if got := cut(row.text, row.width); got != row.want {
			t.Errorf("%q cut to %d is %q, want %q", row.text, row.width, got, row.want)
		}
	}
}

func TestRepeatedLinesAreFolded(t *testing.T) {
	for _, row := range []struct {
		lines       string // newest first; each letter is a line
		size, times int
	}{
		{"a", 1, 1}, {"ab", 1, 1}, {"aa", 1, 1}, {"aaa", 1, 3}, {"abab", 2, 2}, {"ababc", 2, 2}, {"cabab", 1, 1},
		{"abcabcabx", 3, 2}, {"aaaaaa", 1, 6}, {"abcdefabcdef", 6, 2}, {"abcdefgabcdefg", 1, 1}, {"aabaab", 3, 2},
	} {
		var lines []*apiv1.ServiceEvent
		for _, letter := range row.lines {
			lines = append(lines, &apiv1.ServiceEvent{State: "Running", Message: string(letter)})
		}

		if size, times := repeated(lines); size != row.size || times != row.times {
			t.Errorf("%s: %d lines %d times, want %d lines %d times", row.lines, size, times, row.size, row.times)
		}
	}
}

// Only what differs from one try to the next may be folded away; another exit code is another story.
func TestEssence(t *testing.T) {
	same := func(a, b string) bool { return essence(a) == essence(b) }

	if !same("Started task x (PID 12) for container x", "Started task x (PID 9) for container x") ||
		!same("Going to restart in 1.6s: exited with code 1", "Going to restart in 1m0s: exited with code 1") ||
		!same(`Task x (PID 1) exited with code 1: last line "12:00:01 no"`, `Task x (PID 2) exited with code 1: last line "12:00:09 no"`) {
		t.Error("the same lines of two tries are told apart")
	}

	if same("Task x (PID 1) exited with code 1", "Task x (PID 1) exited with code 2") ||
		same("Going to restart in 1s: exited with code 1", "Going to restart in 1s: exited with code 2") {
		t.Error("two exit codes are taken for the same")
	}
}
