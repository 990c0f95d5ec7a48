package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// asideKept is how many damaged databases are kept for whoever wants to look into them.
const asideKept = 3

// setAside renames the database and what belongs to it, so that a fresh one can be begun.
func (j *Journal) setAside(why error) error {
	at := time.Unix(0, j.options.Now().GetWallNs()).UTC().Format("20060102T150405.000000000")
	aside := j.path() + ".damaged-" + at

	if foreign := (*foreignError)(nil); errors.As(why, &foreign) { // it is whole: somebody may want it back
		aside = j.path() + ".set-aside-" + at
	}

	for _, suffix := range []string{"-wal", ""} {
		err := os.Rename(j.path()+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot set the journal aside: %w", err)
		}
	}

	j.mu.Lock()
	j.broken = nil
	j.lose(Loss{Reason: fmt.Sprintf("the journal was set aside as %q: %v", aside, why)})
	j.mu.Unlock()

	j.prune()

	return syncDir(j.options.Dir)
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
