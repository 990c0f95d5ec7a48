package journal_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// brittleDisk is a file system on a loop device whose own file is sparse on a small file system in memory. When that is
// full the device cannot take any block that it does not have yet: writes succeed, and their sync fails, as on a disk that
// breaks. The kernel then forgets what it could not write.
type brittleDisk struct {
	t       *testing.T
	point   string
	image   string
	ballast string
}

func newBrittleDisk(t *testing.T) *brittleDisk {
	t.Helper()
	needRoot(t)

	memory := t.TempDir()
	mount(t, "tmpfs", memory, "tmpfs", 0, "size=24m")

	disk := &brittleDisk{t: t, point: t.TempDir(), image: filepath.Join(memory, "disk"), ballast: filepath.Join(memory, "ballast")}

	disk.run("truncate", "--size=16M", disk.image)
	disk.run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=0", disk.image)
	disk.run("mount", "-o", "loop", disk.image, disk.point)
	t.Cleanup(func() { disk.run("umount", disk.point) })

	return disk
}

func (d *brittleDisk) run(command ...string) {
	d.t.Helper()

	output, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err == nil {
		return
	}

	if os.Getenv("CI") != "true" && command[0] != "umount" {
		d.t.Skipf("SKIPPED: needs mkfs.ext4 and a loop device: %v: %s", err, output)
	}

	d.t.Fatalf("%v: %v: %s", command, err, output)
}

// breakDown lets no further block reach the disk.
func (d *brittleDisk) breakDown() {
	d.t.Helper()
	unix.Sync() // what was written before is on it

	fillDisk(d.t, d.ballast)
}

func (d *brittleDisk) repair() {
	d.t.Helper()

	if err := os.Remove(d.ballast); err != nil {
		d.t.Fatal(err)
	}
}

// content is what a power cut would leave of a state directory: what is on the disk, not what the kernel remembers.
func (d *brittleDisk) content(dir string) files {
	d.t.Helper()

	for _, name := range journalFiles {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			d.t.Fatal(err)
		}

		if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			d.t.Fatal(err)
		}

		_ = file.Close()
	}

	return load(d.t, dir)
}

// After a sync that failed, the next one that succeeds must not be believed: what was written before is not on the disk.
func TestFailedSync(t *testing.T) {
	t.Parallel()

	disk := newBrittleDisk(t)
	options := journal.Options{Dir: filepath.Join(disk.point, "state")}.WithRetry(50 * time.Millisecond)
	options.Logger = zerolog.New(zerolog.NewTestWriter(t))
	j := open(t, options)

	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Recorded, 1)

	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}

	disk.breakDown()

	appends := uint64(1)
	for ; ; appends++ { // more than the blocks that the disk has already can take
		if appends > 500 {
			t.Fatalf("the disk does not break: %+v", j.Status())
		}

		before := j.Status().Synced
		receipt := j.Append(journaltest.Decision("ext-a", int(appends)))

		err := j.Sync()
		if status := j.Status(); err != nil {
			if status.Synced > before || receipt.Last() <= status.Synced {
				t.Fatalf("a failed sync counts: %+v, before %d", status, before)
			}

			break
		}
	}

	status := await(t, j, "the failure", func(status journal.Status) bool { return status.Degraded })
	t.Logf("after %d appends: %s", appends, status.Reason)

	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Buffered, 3*appends+4)
	disk.repair()
	synced(t, j, j.Sync())

	if got := j.Status().Synced; got != 3*appends+6 {
		t.Fatalf("synced is %d", got)
	}

	disk.expect(options.Dir, 3*appends+6)
}

// synced waits until everything is on a disk that was repaired. The kernel may still tell of a page that it failed to write
// before, which counts as a failure of its own.
func synced(t *testing.T, j *journal.Journal, err error) {
	t.Helper()

	const most = 10
	for tries := 0; err != nil; tries++ {
		if tries == most {
			t.Fatal(err)
		}

		await(t, j, "the disk", healthy)
		err = j.Sync()
	}

	await(t, j, "the disk", healthy)
}

// expect checks that a power cut would leave everything.
func (d *brittleDisk) expect(dir string, last uint64) {
	d.t.Helper()

	again := open(d.t, journal.Options{Dir: place(d.t, d.content(dir))})
	expectSequences(d.t, again, "ext-a", count(1, last))

	if status := await(d.t, again, "the check", checked); len(status.Losses) > 0 {
		d.t.Fatalf("after a power cut: %v", status.Losses)
	}
}

// The same where the write-ahead log can be synced and the database cannot, into which it is moved.
func TestFailedCheckpoint(t *testing.T) {
	t.Parallel()

	disk := newBrittleDisk(t)
	options := journal.Options{Dir: filepath.Join(disk.point, "state")}.WithRetry(50 * time.Millisecond)
	options.Logger = zerolog.New(zerolog.NewTestWriter(t))
	j := open(t, options)

	appended := uint64(0)
	atOnce := func(decisions int) error {
		var group sync.WaitGroup
		for number := range decisions {
			group.Go(func() { j.Append(journaltest.Decision("ext-a", number)) })
		}

		group.Wait()

		appended += 3 * uint64(decisions)

		return j.Sync()
	}

	// The log has its blocks from the first time that it was moved.
	if err := errors.Join(atOnce(700), atOnce(600)); err != nil {
		t.Fatal(err)
	}

	disk.breakDown()

	for err := error(nil); err == nil; err = atOnce(100) {
		if appended > 20_000 {
			t.Fatalf("the disk does not break: %+v", j.Status())
		}
	}

	status := await(t, j, "the failure", func(status journal.Status) bool { return status.Degraded })
	t.Logf("after %d records: %s", appended, status.Reason)
	expectOutcome(t, j.Append(journaltest.Decision("ext-a", 0)), events.Buffered, appended+1)

	disk.repair()
	synced(t, j, atOnce(1))

	disk.expect(options.Dir, appended+3)
}
