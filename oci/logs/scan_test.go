package logs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// startLimitedLogd starts logd by a command that is put before its own, and returns it with what it reports.
func startLimitedLogd(t *testing.T, dir Dir, before ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	words := append(before, self(t), run(dir), fmt.Sprint(1<<20), "3")
	logd := exec.Command(words[0], words[1:]...)
	logd.Env = append(os.Environ(), "LOGS_TEST_ROLE=logd", "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0")
	ready, err := logd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	reports, err := logd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := logd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = logd.Process.Kill()
		_ = logd.Wait()
	})
	reported := bufio.NewReader(reports)
	if _, err := io.ReadFull(ready, make([]byte, len(readyLine))); err != nil {
		said, _ := io.ReadAll(reported)
		t.Fatalf("logd did not start: %v: %s", err, said)
	}
	return logd, reported
}

// awaitReport waits until logd has reported something.
func awaitReport(t *testing.T, reported *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := reported.ReadString('\n')
		if err != nil {
			t.Fatalf("logd does not report %q: %v", want, err)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

// printLine prints a line into a log that is there already, and demands that logd takes it.
func printLine(t *testing.T, dir Dir, line string) {
	t.Helper()
	hold(t, dir, testID)
	if _, err := openService(t, dir, testID).WriteString(line); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != line {
		t.Errorf("the log is %q, want %q", got, line)
	}
}

// A FIFO that logd cannot open at first, for want of a descriptor, is read as soon as it can.
func TestFIFOThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	dir := In(t.TempDir())
	logd, reported := startLimitedLogd(t, dir)
	var usual unix.Rlimit
	if err := unix.Prlimit(logd.Process.Pid, unix.RLIMIT_NOFILE, nil, &usual); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(logd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: usual.Max}, nil); err != nil {
		t.Fatal(err)
	}
	if err := Create(dir, testID); err != nil {
		t.Fatal(err)
	}
	awaitReport(t, reported, "too many open files")
	if err := unix.Prlimit(logd.Process.Pid, unix.RLIMIT_NOFILE, &usual, nil); err != nil {
		t.Fatal(err)
	}
	printLine(t, dir, "late\n")
}

// A user may have 128 watches of inotify, which others may have used up. logd looks for itself then.
func TestLogdWithoutInotify(t *testing.T) {
	const none = `echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"`
	before := []string{"unshare", "--user", "--map-root-user", "sh", "-c", none, "sh"}
	if err := exec.Command(before[0], append(before[1:], "true")...).Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("cannot make a user namespace: %v", err)
		}
		t.Skipf("SKIPPED: needs unshare(1) and user namespaces: %v", err)
	}
	dir := In(t.TempDir())
	_, reported := startLimitedLogd(t, dir, before...)
	awaitReport(t, reported, "cannot create inotify")
	if err := Create(dir, testID); err != nil {
		t.Fatal(err)
	}
	printLine(t, dir, "seen\n")
	if err := os.Remove(dir.FIFO(testID)); err != nil {
		t.Fatal(err)
	}
}

// An old segment that cannot be deleted costs no line, and those after it go all the same.
func TestSegmentThatCannotBeDeleted(t *testing.T) {
	dir := newLog(t)
	fixed := segment{dir.segments(testID), 0}.path()
	if err := os.MkdirAll(filepath.Join(fixed, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeSegments(t, dir, 1, "begin\n") // 1..7
	startLogd(t, dir, 1000, 3)
	hold(t, dir, testID)
	const lines, width = 50, 100
	service := openService(t, dir, testID)
	for number := range lines { // each is moved before the next one, so that none waits in the FIFO
		if err := printNumbers(service, number, 1, width); err != nil {
			t.Fatal(err)
		}
		drained(t, dir, testID)
	}
	segments, err := listSegments(dir.segments(testID))
	if err != nil || len(segments) != 4 || segments[0].base != 0 {
		t.Fatalf("left are %v (%v), want the one that cannot be deleted and three more", segments, err)
	}
	first := (segments[1].base - 7 + width - 1) / width // a line that is whole
	reader, err := Open(dir, testID, 7+first*width)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	checkNumbers(t, reader, int(first), lines-int(first))
}
