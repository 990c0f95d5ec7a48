package logs

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// keepLogd starts a Daemon, and a channel of the pids that it starts or finds.
func keepLogd(t *testing.T, dir Dir) (*Daemon, <-chan int) {
	t.Helper()
	t.Setenv("LOGS_TEST_ROLE", "logd")
	pids := make(chan int, 10)
	daemon, err := StartDaemon(deadline(t), DaemonOptions{
		Dir:     dir,
		Command: []string{self(t), run(dir), "1000000", "3"},
		Started: func(pid int) { pids <- pid },
	})
	if err != nil {
		t.Fatal(err)
	}
	return daemon, pids
}

func nextPID(t *testing.T, pids <-chan int) int {
	t.Helper()
	select {
	case pid := <-pids:
		return pid
	case <-deadline(t).Done():
		t.Fatal("logd is not started")
		return 0
	}
}

func TestDaemonStartsFindsRestartsAndStopsLogd(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	first, pids := keepLogd(t, dir)
	pid := nextPID(t, pids)
	if session, err := unix.Getsid(pid); session != pid || err != nil {
		t.Fatalf("logd %d is in session %d (%v), want one of its own", pid, session, err)
	}
	first.Release()
	second, pids := keepLogd(t, dir)
	if found := nextPID(t, pids); found != pid {
		t.Fatalf("the second daemon started %d instead of finding %d", found, pid)
	}
	for range 2 {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		startChild(t, "service", nil, nil, dir.FIFO(testID), 7, 1, 10).finish(t)
		again := nextPID(t, pids)
		if again == pid {
			t.Fatalf("a dead logd, %d, was found", pid)
		}
		pid = again
	}
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != "000000007\n000000007\n" {
		t.Fatalf("the log is %q", got)
	}
	if err := second.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if pid, err := holder(dir); pid != 0 || err != nil {
		t.Fatalf("logd %d is still there (%v)", pid, err)
	}
}

func TestDaemonSaysWhyLogdDoesNotStart(t *testing.T) {
	dir := newLog(t)
	for _, command := range [][]string{{"/does/not/exist"}, {"/bin/false"}, {"/bin/true"}} {
		if _, err := StartDaemon(deadline(t), DaemonOptions{Dir: dir, Command: command}); err == nil {
			t.Errorf("%v was started as logd", command)
		} else if !strings.HasPrefix(err.Error(), "cannot start logd: ") {
			t.Errorf("%v: %v", command, err)
		}
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNoDescriptorIsLeaked(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	use := func() (logd int) {
		daemon, pids := keepLogd(t, dir)
		pid := nextPID(t, pids)
		for _, id := range []string{"ext-a", "ext-b"} {
			if err := Create(dir, id); err != nil {
				t.Fatal(err)
			}
			held, err := Hold(dir, id)
			if err != nil {
				t.Fatal(err)
			}
			startChild(t, "service", nil, nil, dir.FIFO(id), 0, 100, 10).finish(t)
			drained(t, dir, id)
			ctx, cancel := context.WithCancel(deadline(t))
			if err := Lines(ctx, dir, id, 0, 100, func([]byte) { cancel() }); err != nil {
				t.Fatal(err)
			}
			if _, err := LastLines(dir, id, 0, 4096); err != nil {
				t.Fatal(err)
			}
			if err := Remove(dir, id); err != nil {
				t.Fatal(err)
			}
			held.Close()
		}
		// logd sees events in order: once it moves this, it knows that the others are gone.
		if err := Create(dir, "ext-last"); err != nil {
			t.Fatal(err)
		}
		held, err := Hold(dir, "ext-last")
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		startChild(t, "service", nil, nil, dir.FIFO("ext-last"), 0, 1, 10).finish(t)
		drained(t, dir, "ext-last")
		logd = descriptors(t, pid)
		daemon.Release()
		return logd
	}
	firstLogd := use()
	first := descriptors(t, os.Getpid())
	for range 5 {
		if got := use(); got != firstLogd {
			t.Fatalf("logd has %d descriptors, at first it had %d", got, firstLogd)
		}
		if got := descriptors(t, os.Getpid()); got != first {
			t.Fatalf("this process has %d descriptors, at first it had %d", got, first)
		}
	}
	daemon, _ := keepLogd(t, dir)
	if err := daemon.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

// What is in a FIFO in the end is in the file, also where logd is dead and cannot be started, or does not answer.
func TestStopMovesWhatLogdLeaves(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			dir := newLog(t)
			hold(t, dir, testID)
			path := otherBuild(t)
			t.Setenv("LOGS_TEST_ROLE", "logd")
			daemon, pids := startDaemon(t, dir, path)
			pid := nextPID(t, pids)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
			startChild(t, "service", nil, nil, dir.FIFO(testID), 0, 1000, 50).finish(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // as impatient as can be
			if err := daemon.Stop(ctx); err != nil {
				t.Fatal(err)
			}
			if pid, err := holder(dir); pid != 0 || err != nil {
				t.Errorf("logd %d is still there (%v)", pid, err)
			}
			checkNumbers(t, strings.NewReader(readAll(t, dir, 0)), 0, 1000)
		})
	}
}

// Where no logd can be started, services get along nevertheless.
func TestServicesPrintWhereLogdDoesNotStart(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	path := otherBuild(t)
	t.Setenv("LOGS_TEST_ROLE", "logd")
	daemon, pids := startDaemon(t, dir, path)
	pid := nextPID(t, pids)
	// Without a program to fall back on.
	if err := os.WriteFile(path+".broken", []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".broken", path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// More than the FIFO holds.
	startChild(t, "service", nil, nil, dir.FIFO(testID), 0, 50_000, 100).finish(t)
	drained(t, dir, testID)
	if pid, err := holder(dir); pid != 0 || err != nil {
		t.Errorf("logd %d was started (%v)", pid, err)
	}
	if err := daemon.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	log := readAll(t, dir, 0)
	checkNumbers(t, strings.NewReader(log), 0, 50_000)
}
