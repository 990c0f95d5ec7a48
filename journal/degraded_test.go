package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// needRoot skips the test where it cannot mount.
func needRoot(t *testing.T) {
	t.Helper()

	if os.Geteuid() == 0 {
		return
	}

	if os.Getenv("CI") == "true" {
		t.Fatal("needs root: it mounts file systems")
	}

	t.Skip("SKIPPED: needs root: it mounts file systems")
}

func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()

	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Fatalf("cannot mount %s at %s: %v", kind, target, err)
	}

	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
}

// count makes the numbers from..to.
func count(from, to uint64) []uint64 {
	var seqs []uint64
	for ; from <= to; from++ {
		seqs = append(seqs, from)
	}

	return seqs
}

func expectSequences(t *testing.T, j *journal.Journal, service string, want []uint64) {
	t.Helper()

	if diff := cmp.Diff(want, sequences(t, j, service)); diff != "" {
		t.Fatalf("sequences of %q (-want +got):\n%s", service, diff)
	}
}

func expectOutcome(t *testing.T, receipt events.Receipt, outcome events.Outcome, first uint64) {
	t.Helper()

	if receipt.Outcome != outcome || receipt.Records[0].Seq != first {
		t.Fatalf("append is %v at %d, want %v at %d", receipt.Outcome, receipt.Records[0].Seq, outcome, first)
	}
}

// reopen closes the journal and opens it again, to see what is on the disk.
func reopen(t *testing.T, j *journal.Journal, options journal.Options) *journal.Journal {
	t.Helper()

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	again := open(t, options)
	if status := again.Status(); status.Degraded || len(status.Losses) > 0 {
		t.Fatalf("after opening again: %+v", status)
	}

	return again
}

func TestStateDirectoryAppearsLater(t *testing.T) {
	t.Parallel()

	parent := filepath.Join(t.TempDir(), "var")
	options := journal.Options{Dir: filepath.Join(parent, "extactor")}
	j := open(t, options)
	stream := j.Subscribe(0)

	if status := j.Status(); !strings.Contains(status.Reason, "not mounted yet") {
		t.Fatalf("reason is %q", status.Reason)
	}

	for number := range 3 {
		expectOutcome(t, j.Append(journaltest.Decision("ext-a", number)), events.Buffered, uint64(3*number+1))
	}

	if _, err := os.Lstat(parent); !os.IsNotExist(err) {
		t.Fatalf("the parent of the state directory was made: %v", err)
	}

	expectSequences(t, j, "ext-a", count(1, 9)) // from memory

	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}

	await(t, j, "the state directory", healthy)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 9)), events.Recorded, 10)
	expectStream(t, stream, count(1, 12))
	expectSequences(t, reopen(t, j, options), "ext-a", count(1, 12))
}

func expectStream(t *testing.T, stream *journal.Subscription, want []uint64) {
	t.Helper()

	for _, seq := range want {
		record, err := stream.Next(t.Context())
		if err != nil || record.Seq != seq {
			t.Fatalf("the subscription shows %d, %v, want %d", record.Seq, err, seq)
		}
	}
}

func TestMountPoint(t *testing.T) {
	needRoot(t)
	t.Parallel()

	point := t.TempDir()
	options := journal.Options{Dir: filepath.Join(point, "extactor"), Mount: point}
	j := open(t, options)

	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 1)), events.Buffered, 1)

	if status := j.Status(); !strings.Contains(status.Reason, "not a mount point") || status.Buffered != 3 {
		t.Fatalf("status is %+v", status)
	}

	if below, err := os.ReadDir(point); err != nil || len(below) > 0 {
		t.Fatalf("under the mount point are %v, %v", below, err)
	}

	mount(t, "tmpfs", point, "tmpfs", 0, "size=8m")
	await(t, j, "the mount", healthy)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 2)), events.Recorded, 4)

	again := reopen(t, j, options)
	expectSequences(t, again, "ext-a", count(1, 6))

	if err := again.Close(); err != nil {
		t.Fatal(err)
	}

	if err := unix.Unmount(point, 0); err != nil {
		t.Fatal(err)
	}

	if below, err := os.ReadDir(point); err != nil || len(below) > 0 {
		t.Fatalf("under the mount point are %v, %v", below, err)
	}
}

// A journal with records appears after the first events of this boot: these follow, under new sequences.
func TestHistoryAppearsLater(t *testing.T) {
	t.Parallel()

	options := journal.Options{Dir: filepath.Join(t.TempDir(), "state")}
	before := open(t, options)
	before.Append(journaltest.Decision("ext-a", 1))

	if err := before.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(options.Dir, options.Dir+"-away"); err != nil {
		t.Fatal(err)
	}

	snapshots := make(chan struct{}, 1)
	later := options
	later.Dir = filepath.Join(options.Dir, "inner")
	later.Snapshot = func(context.Context) error {
		snapshots <- struct{}{}

		return nil
	}

	j := open(t, later)
	stream := j.Subscribe(0)
	first := j.Append(journaltest.Decision("ext-a", 2))
	expectOutcome(t, first, events.Buffered, 1)
	expectStream(t, stream, []uint64{1})

	if err := os.Mkdir(options.Dir+"-new", 0o755); err != nil {
		t.Fatal(err)
	}

	for _, move := range [][2]string{{options.Dir + "-away", options.Dir + "-new/inner"}, {options.Dir + "-new", options.Dir}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}

	await(t, j, "the history", healthy)
	<-snapshots

	expectSequences(t, j, "ext-a", count(1, 6))
	expectStream(t, stream, []uint64{5, 6}) // what it saw as 1 is 4 now

	decision := journaltest.Decision("ext-a", 3)
	decision.Cause = first.Last()

	caused := j.Append(decision)
	expectOutcome(t, caused, events.Recorded, 7)

	if caused.Records[0].Cause != 6 {
		t.Fatalf("the cause is %d, want 6", caused.Records[0].Cause)
	}
}

func TestDiskFull(t *testing.T) {
	needRoot(t)
	t.Parallel()

	point := t.TempDir()
	mount(t, "tmpfs", point, "tmpfs", 0, "size=1m")

	options := journal.Options{Dir: filepath.Join(point, "extactor"), Mount: point}
	j := open(t, options)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Recorded, 1)

	ballast := filepath.Join(point, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}

	appends, buffered := uint64(1), 0
	for ; buffered < 10; appends++ {
		if appends > 500 {
			t.Fatalf("500 appends fit: %+v", j.Status())
		}

		decision := journaltest.Decision("ext-a", int(appends))
		decision.Entries[1].Message += strings.Repeat(" and more", 900)

		receipt := j.Append(decision)
		if receipt.Outcome == events.Buffered {
			buffered++
		}

		if receipt.Records[0].Seq != 3*appends+1 {
			t.Fatalf("append %d has sequence %d", appends, receipt.Records[0].Seq)
		}
	}

	if status := j.Status(); status.Reason != "the disk is full" || status.Buffered < 30 {
		t.Fatalf("status is %+v", status)
	}

	if last, err := j.Tail("ext-a", 1); err != nil || last[0].Seq != 3*appends {
		t.Fatalf("the tail is %v, %v", last, err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}

	await(t, j, "space on the disk", healthy)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Recorded, 3*appends+1)
	expectSequences(t, reopen(t, j, options), "ext-a", count(1, 3*appends+3))
}

func TestReadOnly(t *testing.T) {
	needRoot(t)
	t.Parallel()

	for _, history := range []uint64{0, 1} {
		t.Run(fmt.Sprintf("%d decisions before", history), func(t *testing.T) {
			point := t.TempDir()
			mount(t, "tmpfs", point, "tmpfs", 0, "size=8m")

			options := journal.Options{Dir: filepath.Join(point, "extactor")}

			for number := range history {
				j := open(t, options)
				j.Append(journaltest.Decision("ext-a", int(number)))

				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}

			if err := remountReadOnly(point); err != nil {
				t.Fatal(err)
			}

			j := open(t, options)
			expectOutcome(t, j.Append(journaltest.Decision("ext-a", 8)), events.Buffered, 1)

			if status := j.Status(); !strings.Contains(status.Reason, "read-only") {
				t.Fatalf("reason is %q", status.Reason)
			}

			if err := unix.Mount("", point, "", unix.MS_REMOUNT, ""); err != nil {
				t.Fatal(err)
			}

			await(t, j, "a file system that can be written", healthy)
			expectSequences(t, reopen(t, j, options), "ext-a", count(1, 3*history+3))
		})
	}
}

func TestDirectoryRemoved(t *testing.T) {
	t.Parallel()

	snapshots := make(chan struct{}, 1)
	options := journal.Options{Dir: filepath.Join(t.TempDir(), "state"), Snapshot: func(context.Context) error {
		snapshots <- struct{}{}

		return nil
	}}
	j := open(t, options)
	j.Append(journaltest.Decision("ext-a", 1))

	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}

	if err := os.RemoveAll(options.Dir); err != nil {
		t.Fatal(err)
	}

	j.Append(journaltest.Decision("ext-a", 2)) // its sync finds out

	await(t, j, "the loss", func(status journal.Status) bool { return len(status.Losses) == 1 && !status.Degraded })
	<-snapshots
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 3)), events.Recorded, 7)

	again := reopen(t, j, options)
	expectSequences(t, again, "ext-a", count(7, 9))
	expectSequences(t, again, "", []uint64{1}) // the Gap
}

func TestRingOverflows(t *testing.T) {
	t.Parallel()

	parent := filepath.Join(t.TempDir(), "var")
	snapshots := make(chan struct{}, 1)
	options := journal.Options{Dir: filepath.Join(parent, "extactor"), RingEvents: 30, Snapshot: func(context.Context) error {
		snapshots <- struct{}{}

		return nil
	}}
	j := open(t, options)

	for number := range 40 {
		expectOutcome(t, j.Append(journaltest.Decision("ext-a", number)), events.Buffered, uint64(3*number+1))
	}

	if status := j.Status(); status.Buffered > 31 || status.Lost != 90 || status.Since.GetBootNs() == 0 {
		t.Fatalf("%d records are buffered, %d lost, since %v", status.Buffered, status.Lost, status.Since)
	}

	stream := j.Subscribe(0)
	expectStream(t, stream, []uint64{1, 91})

	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}

	if status := await(t, j, "the state directory", healthy); status.Since != nil || status.Lost != 90 {
		t.Fatalf("the status after that is %+v", status)
	}

	<-snapshots

	again := reopen(t, j, options)
	expectSequences(t, again, "ext-a", count(91, 120))

	var gaps []*events.Gap
	if err := again.Replay("", func(record events.Record) bool {
		gaps = append(gaps, record.Event.GetGap())

		return true
	}); err != nil {
		t.Fatal(err)
	}

	if len(gaps) != 1 || gaps[0].GetFrom() != 1 || gaps[0].GetTo() != 90 {
		t.Fatalf("gaps are %v", gaps)
	}
}

// A disk that hangs: a frozen file system lets no write return.
func TestDiskHangs(t *testing.T) {
	needRoot(t)
	t.Parallel()

	point := frozenDisk(t)
	options := journal.Options{Dir: filepath.Join(point, "extactor")}.WithPatience(time.Second)
	j := open(t, options)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Recorded, 1)

	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}

	thaw := freeze(t, point)

	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 1)), events.Buffered, 4)

	if status := j.Status(); status.Reason != "the disk gives no answer" {
		t.Fatalf("status is %+v", status)
	}

	for number := range 20 {
		expectOutcome(t, j.Append(journaltest.Decision("ext-a", number)), events.Buffered, uint64(3*number+7))
	}

	thaw()
	await(t, j, "the disk", healthy)
	expectSequences(t, reopen(t, j, options), "ext-a", count(1, 66))
}

// frozenDisk mounts a small ext4 of its own, because a tmpfs cannot be frozen.
func frozenDisk(t *testing.T) string {
	t.Helper()

	image, point := filepath.Join(t.TempDir(), "disk"), t.TempDir()

	for _, command := range [][]string{
		{"truncate", "--size=8M", image},
		{"mkfs.ext4", "-q", "-O", "^has_journal", image},
		{"mount", "-o", "loop", image, point},
	} {
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("needs mkfs.ext4 and a loop device: %v: %s", err, output)
			}

			t.Skipf("SKIPPED: needs mkfs.ext4 and a loop device: %v: %s", err, output)
		}
	}

	t.Cleanup(func() {
		if err := unix.Unmount(point, 0); err != nil {
			t.Errorf("cannot unmount: %v", err)
		}
	})

	return point
}

// The ioctls of linux/fs.h that stop and let go on all writes to a file system.
const (
	ioctlFreeze = 0xc0045877
	ioctlThaw   = 0xc0045878
)

func freeze(t *testing.T, point string) (thaw func()) {
	t.Helper()

	dir, err := os.Open(point)
	if err != nil {
		t.Fatal(err)
	}

	if err := unix.IoctlSetInt(int(dir.Fd()), ioctlFreeze, 0); err != nil {
		t.Fatalf("cannot freeze: %v", err)
	}

	thawed := false
	thaw = func() {
		if thawed {
			return
		}

		thawed = true

		if err := unix.IoctlSetInt(int(dir.Fd()), ioctlThaw, 0); err != nil {
			t.Errorf("cannot thaw: %v", err)
		}

		_ = dir.Close()
	}

	t.Cleanup(thaw)

	return thaw
}

// Somebody with a database tool who holds a lock is as bad as a disk that cannot be written, and as harmless.
func TestDatabaseLocked(t *testing.T) {
	t.Parallel()

	options := journal.Options{Dir: filepath.Join(t.TempDir(), "state")}
	if err := open(t, options).Close(); err != nil {
		t.Fatal(err)
	}

	tool, lines := child(t, "hold", options.Dir)

	input, err := tool.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := tool.Start(); err != nil {
		t.Fatal(err)
	}

	if !lines.Scan() {
		t.Fatal("the tool has no lock")
	}

	j := open(t, options)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 1)), events.Buffered, 1)

	if status := j.Status(); status.Reason != "another process holds the database" {
		t.Fatalf("status is %+v", status)
	}

	if err := errors.Join(input.Close(), tool.Wait()); err != nil {
		t.Fatal(err)
	}

	await(t, j, "the lock", healthy)
	expectSequences(t, j, "ext-a", count(1, 3))
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, options := range []journal.Options{{}, {Dir: "state"}, {Dir: "/var/lib/extactor", Mount: "var"}} {
		if _, err := journal.Open(options); err == nil {
			t.Errorf("%+v was accepted", options)
		}
	}
}

func TestUseAfterClose(t *testing.T) {
	j := open(t, journal.Options{})
	stream := j.Subscribe(0)

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 1)), events.Buffered, 1)

	if err := j.Sync(); err == nil {
		t.Fatal("Sync after Close promises something")
	}

	var seqs []uint64
	for range 3 {
		record, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		seqs = append(seqs, record.Seq)
	}

	if _, err := stream.Next(t.Context()); err == nil || !slices.Equal(seqs, count(1, 3)) {
		t.Fatalf("the subscription showed %v and ended with %v", seqs, err)
	}
}

// remountReadOnly tries again for a while: the kernel lets go of a file that was closed a moment ago only when the thread
// that closed it runs again.
func remountReadOnly(point string) error {
	for deadline := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		err := unix.Mount("", point, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}
