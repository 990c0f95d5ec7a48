package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// restoredName is a directory in which a database is made of what can be read of a damaged one.
const restoredName = "journal.restored"

// asideKept is how many damaged databases are kept for whoever wants to look into them.
const asideKept = 3

// setAside renames the database and what belongs to it. Another one takes its place with what can be read of it; where
// nothing can, a fresh one can be begun.
func (j *Journal) setAside(why error) error {
	at := time.Unix(0, j.options.Now().GetWallNs()).UTC().Format("20060102T150405.000000000")
	aside := j.path() + ".damaged-" + at
	restored := filepath.Join(j.options.Dir, restoredName)
	records, kept := 0, ""

	if foreign := (*foreignError)(nil); errors.As(why, &foreign) { // it is whole: somebody may want it back
		aside = j.path() + ".set-aside-" + at
	} else {
		defer os.RemoveAll(restored)

		if records = j.restore(restored); records > 0 {
			kept = fmt.Sprintf("; %d of its records could be read and are kept", records)
		}
	}

	for _, suffix := range []string{"-wal", ""} {
		err := os.Rename(j.path()+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot set the journal aside: %w", err)
		}
	}

	if records > 0 {
		if err := os.Rename(filepath.Join(restored, databaseName), j.path()); err != nil {
			return fmt.Errorf("cannot put what can be read of the journal in its place: %w", err)
		}
	}

	j.mu.Lock()
	j.broken = nil
	j.snapshotsOwed = j.snapshotsOwed || j.queue.next > 1
	j.lose(Loss{Reason: fmt.Sprintf("the journal was set aside as %q: %v%s", aside, why, kept)})
	j.mu.Unlock()

	j.prune()

	return syncDir(j.options.Dir)
}

// restore makes a database of what can be read of the one that is to be set aside, in a directory, and returns how many
// records it has. Where there is a write-ahead log that is made of a copy: whoever looks into the damaged one should find it
// as it was.
func (j *Journal) restore(dir string) (records int) {
	err := os.RemoveAll(dir) // a daemon may have been killed
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}

	damaged := j.path()
	if err == nil && hasLog(damaged) {
		damaged = filepath.Join(dir, "damaged.db")
		err = copyDatabase(j.path(), damaged)
	}

	if err == nil {
		records, err = salvage(j.working, damaged, filepath.Join(dir, databaseName))
	}

	if err == nil {
		err = syncFile(filepath.Join(dir, databaseName))
	}

	if err != nil {
		j.log.Error().Err(err).Msg("journal: nothing of what was recorded can be kept")

		return 0
	}

	return records
}

// prune deletes the oldest of the damaged databases.
func (j *Journal) prune() {
	names, err := filepath.Glob(j.path() + ".damaged-*[0-9]")
	if err != nil {
		return
	}

	for len(names) > asideKept { // their names sort by time
		for _, suffix := range []string{"-wal", ""} {
			if err := os.Remove(names[0] + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				j.log.Warn().Err(err).Msg("journal: cannot delete an old damaged database")
			}
		}

		names = names[1:]
	}
}
