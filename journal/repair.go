package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const damagedReason = "a record is damaged and left out"

// findings is what reading a whole database showed.
type findings struct {
	last   uint64 // the newest row
	run    string // who wrote it
	losses []Loss
}

// examine reads every row. An error says that the database cannot be used; damaged and missing rows are only reported.
func (s *store) examine() (findings, error) {
	var found findings

	rows, err := s.readers.Query("SELECT " + columns + " FROM records ORDER BY seq")
	if err != nil {
		return found, fmt.Errorf("cannot read the journal: %w", err)
	}
	defer rows.Close()

	var (
		scan  scanner
		tally = map[string]int{}
	)

	covered := uint64(0) // up to here every sequence is there, or a Gap says why not
	for rows.Next() {
		record, err := scan.raw(rows)
		if found.last > 0 && record.Seq > covered+1 {
			found.losses = append(found.losses, Loss{From: covered + 1, To: record.Seq - 1, Reason: "records are missing within the journal"})
		}

		tally[record.Service]++

		found.last, covered = record.Seq, max(covered, record.Seq)
		if err != nil {
			found.losses = append(found.losses, Loss{From: record.Seq, To: record.Seq, Reason: damagedReason})

			continue
		}

		found.run = record.RunID

		if record.Kind == "Gap" && decode(&record, scan.payload) == nil {
			covered = max(covered, record.Event.GetGap().GetTo())
		}
	}

	if err := rows.Err(); err != nil {
		return found, fmt.Errorf("cannot read the journal: %w", err)
	}

	// A Gap at the very end covers sequences that must not be given out again.
	found.last = max(found.last, covered)

	return found, s.checkIndex(tally)
}

// checkIndex compares the index with the rows, because damage in the index would hide rows without any error, and builds
// it anew where they differ.
func (s *store) checkIndex(tally map[string]int) error {
	rows, err := s.readers.Query("SELECT service, count(*) FROM records INDEXED BY records_service GROUP BY service")
	if err != nil {
		return fmt.Errorf("cannot read the index: %w", err)
	}
	defer rows.Close()

	same, services := true, 0
	for rows.Next() {
		var (
			service string
			count   int
		)
		if err := rows.Scan(&service, &count); err != nil {
			return fmt.Errorf("cannot read the index: %w", err)
		}

		same = same && tally[service] == count
		services++
	}

	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("cannot read the index: %w", err)
	}

	if same && services == len(tally) {
		return nil
	}

	s.writing.Lock()
	defer s.writing.Unlock()

	if _, err := s.conn.ExecContext(context.Background(), "REINDEX records_service"); err != nil {
		return fmt.Errorf("cannot build the index: %w", err)
	}

	return nil
}

// asideKept is how many damaged databases are kept for whoever wants to look into them.
const asideKept = 3

// setAside renames the database and what belongs to it, so that a fresh one can be begun.
func (j *Journal) setAside(why error) error {
	at := time.Unix(0, j.options.Now().GetWallNs()).UTC().Format("20060102T150405.000000000")
	aside := j.path() + ".damaged-" + at

	for _, suffix := range []string{"-wal", ""} {
		err := os.Rename(j.path()+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot set the damaged journal aside: %w", err)
		}
	}

	j.mu.Lock()
	j.lose(Loss{Reason: fmt.Sprintf("the journal was set aside as %q: %v", aside, why)})
	j.mu.Unlock()

	j.prune()

	return syncDir(j.options.Dir)
}

// prune deletes the oldest of the databases that were set aside.
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
