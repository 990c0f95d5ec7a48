package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/journal"
)

// needRoot skips a test that needs root for what it does; where nothing may be skipped, it fails.
func needRoot(t *testing.T, what string) {
	t.Helper()

	if os.Geteuid() == 0 {
		return
	}

	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root: it " + what)
	}

	t.Skip("SKIPPED: needs root: " + what)
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// A state directory that cannot be one is the journal's trouble, and no reason not to start.
func TestStateThatIsNoDirectory(t *testing.T) {
	needRoot(t, "locks directories as the daemon does")

	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))

	for _, state := range []string{file, filepath.Join(file, "state")} {
		d := &daemon{
			options: Options{RunDir: t.TempDir(), StateDir: state}, bootID: "boot",
			console: consoles{log: zerolog.New(zerolog.NewTestWriter(t))},
		}
		t.Cleanup(d.close)

		must(t, d.claim())

		var none atomic.Pointer[actors.System]

		must(t, d.openJournal(&none))

		if status := d.journal.Status(); !status.Degraded || !strings.Contains(status.Reason, "not a directory") {
			t.Errorf("state in %s: %+v", state, status)
		}
	}
}

// Early in boot the mount point is a directory like any other. Nothing may be made in it, and nothing get lost.
func TestStateWaitsForItsMount(t *testing.T) {
	needRoot(t, "mounts a tmpfs")

	mount := t.TempDir()
	state := filepath.Join(mount, "extactor")
	d := &daemon{
		options: Options{RunDir: t.TempDir(), StateDir: state, StateMount: mount, SyncAlways: true}, bootID: "boot",
		console: consoles{log: zerolog.New(zerolog.NewTestWriter(t))},
	}
	t.Cleanup(d.close)

	must(t, d.claim())

	var none atomic.Pointer[actors.System]

	must(t, d.openJournal(&none))
	d.note("before the mount")

	before, changed := d.journal.Watch()
	if !before.Degraded || d.stateLocked {
		t.Errorf("before the mount: %+v, locked: %v", before, d.stateLocked)
	}

	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("below the mount point: %v", err)
	}

	must(t, unix.Mount("tmpfs", mount, "tmpfs", 0, ""))
	t.Cleanup(func() {
		d.close()
		must(t, unix.Unmount(mount, unix.MNT_DETACH))

		if left, err := os.ReadDir(mount); err != nil || len(left) > 0 {
			t.Errorf("left below the mount point: %v, %v", left, err)
		}
	})

	var after journal.Status

	for after = before; after.Degraded; after, changed = d.journal.Watch() {
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("the journal never found its directory")
		}
	}

	kept, err := d.journal.Tail("", 10)
	must(t, err)

	if len(kept) == 0 || !strings.Contains(kept[0].Message, "before the mount") {
		t.Errorf("kept: %v", kept)
	}

	if _, err := os.Stat(filepath.Join(state, "journal.db")); err != nil {
		t.Error(err)
	}
}

// A state directory that appears late is refused as one that is there at the start: others could have put links there, for
// the daemon to write through.
func TestStateOfOthersThatAppearsLate(t *testing.T) {
	needRoot(t, "is the only one who may write to a directory")

	parent := filepath.Join(t.TempDir(), "missing")
	state := filepath.Join(parent, "state")
	d := &daemon{
		options: Options{RunDir: t.TempDir(), StateDir: state}, bootID: "boot",
		console: consoles{log: zerolog.New(zerolog.NewTestWriter(t))},
	}
	t.Cleanup(d.close)

	must(t, d.claim())

	var none atomic.Pointer[actors.System]

	must(t, d.openJournal(&none))

	// Under its name only once others may write there.
	must(t, os.MkdirAll(filepath.Join(parent+".made", "state"), 0o700))
	must(t, os.Chmod(filepath.Join(parent+".made", "state"), 0o777)) // #nosec G302 -- as it must not be
	must(t, os.Rename(parent+".made", parent))

	await := func(done func(status journal.Status) bool) {
		t.Helper()

		for status, changed := d.journal.Watch(); !done(status); status, changed = d.journal.Watch() {
			select {
			case <-changed:
			case <-time.After(10 * time.Second):
				t.Fatalf("the journal: %+v", status)
			}
		}
	}

	await(func(status journal.Status) bool {
		return strings.Contains(status.Reason, "may be written by everybody")
	})

	if left, err := os.ReadDir(state); err != nil || len(left) > 0 {
		t.Errorf("in the directory of others: %v, %v", left, err)
	}

	must(t, os.Chmod(state, 0o700)) // #nosec G302 -- a directory
	await(func(status journal.Status) bool { return !status.Degraded })
}
