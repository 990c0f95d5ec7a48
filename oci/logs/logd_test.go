package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestKilledLogdLosesAndDoublesNothing(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	const kills, width = 60, 100
	stdin, enough := pipe(t)
	told, stdout := pipe(t)
	service := startChild(t, "endless", stdin, stdout, dir.FIFO(testID), width)
	stdout.Close()
	written := func() uint64 {
		end, err := Cursor(dir, testID)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	changed := newNews()
	stop, err := changes.subscribe(dir.segments(testID), changed)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for killed := range kills {
		logd := startLogd(t, dir, 1<<20, 1000)
		// Some kills fall into the first chunk, some long after it.
		target := written() + uint64(killed%10)*100_000
		for written() < target {
			select {
			case <-changed:
			case <-service.ended:
				t.Fatalf("the service ended: %v: %s", service.err, service.stderr.String())
			case <-deadline(t).Done():
				t.Fatalf("logd stands still at %d", written())
			}
		}
		logd.kill()
	}
	enough.Close()
	startLogd(t, dir, 1<<20, 1000)
	service.finish(t)
	drained(t, dir, testID)
	var lines int
	if _, err := fmt.Fscan(told, &lines); err != nil {
		t.Fatal(err)
	}
	reader, err := Open(dir, testID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	checkNumbers(t, reader, 0, lines)
	t.Logf("%d kills, %d lines, none lost or doubled", kills, lines)
}

func TestServiceThatEndsWhileLogdIsDeadIsLogged(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 1<<20, 3).kill()
	hold(t, dir, testID)
	startChild(t, "service", nil, nil, dir.FIFO(testID), 7, 1, 10).finish(t)
	if end, err := Cursor(dir, testID); end != 0 || err != nil {
		t.Fatalf("somebody moved the line while logd was dead: %d, %v", end, err)
	}
	startLogd(t, dir, 1<<20, 3)
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != "000000007\n" {
		t.Fatalf("the log is %q", got)
	}
}

func TestSecondLogdIsRefused(t *testing.T) {
	dir := newLog(t)
	first := startLogd(t, dir, 1<<20, 3)
	second := startChild(t, "logd", nil, nil, run(dir), 1<<20, 3)
	<-second.ended
	want := fmt.Sprintf("cannot start logd: another one is running (PID %d)", first.Process.Pid)
	if second.err == nil || !strings.Contains(second.stderr.String(), want) {
		t.Fatalf("the second one: %v, %s", second.err, second.stderr.String())
	}
	if err := Run(context.Background(), Options{Dir: dir}); err == nil {
		t.Fatal("one in another process was not refused")
	}
	if pid, err := holder(dir); pid != first.Process.Pid || err != nil {
		t.Fatalf("the lock is held by %d (%v), want %d", pid, err, first.Process.Pid)
	}
	first.kill()
	if pid, err := holder(dir); pid != 0 || err != nil {
		t.Fatalf("the lock of a dead process is held by %d (%v)", pid, err)
	}
	startLogd(t, dir, 1<<20, 3)
}

func TestFIFOsComeAndGoWhileLogdRuns(t *testing.T) {
	dir := In(t.TempDir())
	startLogd(t, dir, 1<<20, 3)
	var want string
	for round := range 20 {
		if err := Create(dir, testID); err != nil {
			t.Fatal(err)
		}
		held, err := Hold(dir, testID)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("round %d\n", round)
		want += line
		if _, err := openService(t, dir, testID).WriteString(line); err != nil {
			t.Fatal(err)
		}
		drained(t, dir, testID)
		if err := Remove(dir, testID); err != nil {
			t.Fatal(err)
		}
		held.Close()
	}
	if got := readAll(t, dir, 0); got != want {
		t.Fatalf("the log is %q, want %q", got, want)
	}
}

func TestBinaryAndUnfinishedOutputIsKeptAsItIs(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 1000, 100)
	var want []byte
	service := openService(t, dir, testID)
	for i := range 5000 {
		part := bytes.Repeat([]byte{byte(i), 0, 0xff}, i%7)
		want = append(want, part...)
		if _, err := service.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != string(want) {
		t.Fatalf("the log has %d bytes and differs from the %d that were written", len(got), len(want))
	}
}

func TestRotationKeepsTheNewestSegments(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 1000, 3)
	const lines, width = 10_000, 10
	if err := printNumbers(openService(t, dir, testID), 0, lines, width); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	segments, err := listSegments(dir.segments(testID))
	if err != nil || len(segments) != 3 {
		t.Fatalf("there are %d segments (%v), want 3", len(segments), err)
	}
	entries, err := os.ReadDir(dir.segments(testID))
	if err != nil || len(entries) != 7 {
		t.Fatalf("there are %d files (%v), want 3 segments, 3 indexes and the count of losses", len(entries), err)
	}
	end, err := Cursor(dir, testID)
	if err != nil || end != lines*width {
		t.Fatalf("the log ends at %d (%v), want %d", end, err, lines*width)
	}
	kept := int(end-segments[0].base) / width
	checkNumbers(t, strings.NewReader(readAll(t, dir, 0)), lines-kept, kept)
}

func TestStoppedLogdEmptiesTheFIFOs(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	logd := startLogd(t, dir, 1<<20, 3)
	if err := logd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := printNumbers(openService(t, dir, testID), 0, 10_000, 50); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(logd.Process.Signal(unix.SIGTERM), logd.Process.Signal(unix.SIGCONT)); err != nil {
		t.Fatal(err)
	}
	logd.finish(t)
	checkNumbers(t, strings.NewReader(readAll(t, dir, 0)), 0, 10_000)
}

func TestDrainedWaitsForLogd(t *testing.T) {
	dir := newLog(t)
	hold(t, dir, testID)
	service := openService(t, dir, testID)
	drained(t, dir, testID) // nothing was printed
	if _, err := service.WriteString("line\n"); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no longer")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := Drained(ctx, dir, testID); !errors.Is(err, cause) {
		t.Fatalf("drained without logd: %v", err)
	}
	startLogd(t, dir, 1<<20, 3)
	drained(t, dir, testID)
	if got := readAll(t, dir, 0); got != "line\n" {
		t.Fatalf("drained, but the log is %q", got)
	}
	if err := Remove(dir, testID); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID) // there is no FIFO
}

func TestDeletedAndTruncatedFilesDoNotStopALog(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 1<<20, 3)
	service := openService(t, dir, testID)
	print := func(line string) {
		t.Helper()
		if _, err := io.WriteString(service, line); err != nil {
			t.Fatal(err)
		}
		drained(t, dir, testID)
	}
	print("deleted\n")
	if err := os.RemoveAll(dir.segments(testID)); err != nil {
		t.Fatal(err)
	}
	print("truncated\n")
	if got := readAll(t, dir, 0); got != "truncated\n" {
		t.Fatalf("after the files were deleted the log is %q", got)
	}
	if err := os.Truncate(segment{dir.segments(testID), 8}.path(), 0); err != nil {
		t.Fatal(err)
	}
	print("kept\n")
	if got := readAll(t, dir, 18); got != "kept\n" {
		t.Fatalf("after the file was truncated the log is %q", got)
	}
}
