package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newSmallDisk makes a log on a file system of one MiB.
func newSmallDisk(t *testing.T) Dir {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to mount a small file system")
		}
		t.Skip("SKIPPED: needs root: mounts a small file system")
	}
	run := t.TempDir()
	if err := unix.Mount("tmpfs", run, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(run, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := In(run)
	if err := Create(dir, testID); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A logd that is started on a full disk, also for the first time, keeps services from standing still.
func TestLogdStartsOnAFullDisk(t *testing.T) {
	dir := newSmallDisk(t)
	hold(t, dir, testID)
	fillDisk(t, dir)
	service := openService(t, dir, testID)
	for range 2 {
		logd := startLogd(t, dir, 10<<20, 3)
		// More than the FIFO holds.
		if err := printNumbers(service, 0, 50_000, 50); err != nil {
			t.Fatal(err)
		}
		drained(t, dir, testID)
		logd.kill()
	}
}

func TestFullDiskDiscardsAndSaysSo(t *testing.T) {
	dir := newSmallDisk(t)
	hold(t, dir, testID)
	startLogd(t, dir, 10<<20, 3)
	service := openService(t, dir, testID)
	if _, err := io.WriteString(service, "unfinished"); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	free := fillDisk(t, dir)
	// More than the FIFO holds: the service would block if nobody took it.
	if err := printNumbers(service, 0, 100_000, 50); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	kept, err := Cursor(dir, testID)
	if err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	free()
	if _, err := io.WriteString(service, "after\n"); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	lost := len("unfinished") + 100_000*50 - int(kept)
	want := fmt.Sprintf("extactor: %d bytes of this log could not be written and are lost\nafter\n", lost)
	if got := strings.TrimPrefix(readAll(t, dir, kept), "\n"); got != want {
		t.Fatalf("after the disk had room the log went on with %q, want %q", got, want)
	}
	if kept > 8192 {
		t.Fatalf("%d bytes were written to a full disk", kept)
	}
	// The notice has the time at which it was written; the index may have that of an attempt just before.
	room = room.Add(-indexPrecision)
	for line := range strings.Lines(readQuery(t, dir, Query{Tail: 2, Timestamps: true})) {
		stamp, _, _ := strings.Cut(line, " ")
		if at, err := time.Parse(time.RFC3339, stamp); err != nil || at.Before(room.Truncate(time.Millisecond)) {
			t.Errorf("%q is not from after %v (%v)", line, room, err)
		}
	}
	// It may have ended a line of before.
	if got := readQuery(t, dir, Query{Tail: -1, Since: room}); !strings.HasSuffix(got, want) || strings.Count(got, "\n") > 3 {
		t.Errorf("since there is room: %q, want %q", got, want)
	}
}

func TestFullDiskTakesTheOldestOfTheLargestLogFirst(t *testing.T) {
	dir := newSmallDisk(t)
	const small = "ext-small"
	if err := Create(dir, small); err != nil {
		t.Fatal(err)
	}
	// A segment is larger than the disk: the one that is being written to must give way.
	startLogd(t, dir, 10<<20, 3)
	if err := printNumbers(openService(t, dir, small), 0, 1000, 50); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, small)
	const lines, width = 100_000, 50
	if err := printNumbers(openService(t, dir, testID), 0, lines, width); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	log := readAll(t, dir, 0)
	// The oldest segment may have ended within a line.
	_, whole, _ := strings.Cut(log, "\n")
	kept := len(whole) / width
	if kept < 100 {
		t.Fatalf("only %d lines are left", kept)
	}
	checkNumbers(t, strings.NewReader(whole), lines-kept, kept)
	reader, err := Open(dir, small, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, reader); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, &text, 0, 1000)
}
