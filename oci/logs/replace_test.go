package logs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// otherBuild is a logd that is the same program in another file of other content.
func otherBuild(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other-build")
	if err := os.WriteFile(path, append(content, "other"...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// startDaemon starts one with a program, and a channel of the pids that it starts or finds.
func startDaemon(t *testing.T, dir Dir, path string) (*Daemon, <-chan int) {
	t.Helper()
	pids := make(chan int, 10)
	daemon, err := StartDaemon(deadline(t), DaemonOptions{
		Dir:     dir,
		Command: []string{path, run(dir), "1000000", "3"},
		Started: func(pid int) { pids <- pid },
	})
	if err != nil {
		t.Fatal(err)
	}
	return daemon, pids
}

func TestReplaceExchangesALogdOfAnotherBuild(t *testing.T) {
	t.Setenv("LOGS_TEST_ROLE", "logd")
	dir := newLog(t)
	hold(t, dir, testID)
	before, pids := startDaemon(t, dir, otherBuild(t))
	if _, outdated := before.Outdated(); outdated {
		t.Fatal("a logd of its own is outdated")
	}
	old := nextPID(t, pids)
	before.Release()

	daemon, pids := startDaemon(t, dir, self(t))
	if found := nextPID(t, pids); found != old {
		t.Fatalf("it started %d instead of finding %d", found, old)
	}
	if _, outdated := daemon.Outdated(); !outdated {
		t.Fatal("a logd of another build is not noticed")
	}
	startChild(t, "service", nil, nil, dir.FIFO(testID), 1, 1, 10).finish(t)
	if err := daemon.Replace(deadline(t)); err != nil {
		t.Fatal(err)
	}
	next := nextPID(t, pids)
	if _, outdated := daemon.Outdated(); outdated || next == old {
		t.Fatalf("after %d runs %d, outdated: %v", old, next, outdated)
	}
	if err := daemon.Replace(deadline(t)); err != nil || len(pids) != 0 {
		t.Fatalf("there was nothing to replace: %v", err)
	}
	startChild(t, "service", nil, nil, dir.FIFO(testID), 2, 1, 10).finish(t)
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != "000000001\n000000002\n" {
		t.Fatalf("the log is %q", got)
	}
	if err := daemon.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Replace(deadline(t)); err == nil {
		t.Fatal("a logd that nobody keeps was replaced")
	}
}

// One that does not start is no reason to have none, nor to wait for ever.
func TestReplaceStartsTheOldLogdWhereTheNewOneDoesNotStart(t *testing.T) {
	t.Setenv("LOGS_TEST_ROLE", "logd")
	dir := newLog(t)
	hold(t, dir, testID)
	path := otherBuild(t)
	before, pids := startDaemon(t, dir, path)
	old := nextPID(t, pids)
	before.Release()
	if err := os.Remove(path); err != nil { // as a package does
		t.Fatal(err)
	}

	broken, pids := startDaemon(t, dir, "/bin/false")
	nextPID(t, pids)
	err := broken.Replace(deadline(t))
	if err == nil || !strings.Contains(err.Error(), "cannot start logd: it ended before it was ready") {
		t.Fatalf("it was replaced by /bin/false: %v", err)
	}
	again := nextPID(t, pids)
	if _, outdated := broken.Outdated(); !outdated || again == old {
		t.Fatalf("after %d runs %d, outdated: %v", old, again, outdated)
	}

	// It is kept alive too.
	if err := unix.Kill(again, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if last := nextPID(t, pids); last == again {
		t.Fatalf("a dead logd, %d, was found", last)
	}
	startChild(t, "service", nil, nil, dir.FIFO(testID), 1, 1, 10).finish(t)
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != "000000001\n" {
		t.Fatalf("the log is %q", got)
	}
	if err := broken.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
}
