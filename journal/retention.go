package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/extactor/extactor/events"
)

const (
	checkEvery    = 1000  // rows after which retention looks again
	snapshotEvery = 10000 // rows after which every service takes a snapshot, with which a fold of the past can begin

	chunkRows = 1000 // rows that are deleted in one transaction, about
	putOff    = time.Minute
)

// maintain looks after snapshots that are owed and records that are too old; the lock is held. It never runs at start,
// when there are no services yet to take a snapshot of.
func (j *Journal) maintain() {
	due := j.snapshotsOwed || j.unchecked >= checkEvery || j.unsnapped >= snapshotEvery
	if !due || j.maintaining || j.putOff || j.closed || j.options.Snapshot == nil {
		return
	}

	j.maintaining, j.unchecked = true, 0
	j.work.Go(j.tend)
}

func (j *Journal) tend() {
	err := j.retain()

	j.mu.Lock()
	defer j.mu.Unlock()

	j.maintaining = false
	if err == nil || j.closed {
		return
	}

	j.log.Warn().Err(err).Msg("journal: snapshots and retention are put off")

	j.putOff = true
	time.AfterFunc(putOff, func() {
		j.mu.Lock()
		defer j.mu.Unlock()

		j.putOff = false
		j.maintain()
	})
}

// retain deletes what is too old, after every service has a snapshot of itself that is newer.
func (j *Journal) retain() error {
	j.mu.Lock()
	store, owed, newest, long := j.store, j.snapshotsOwed, j.committed, j.unsnapped >= snapshotEvery
	j.snapshotsOwed = false // anew if more is lost meanwhile
	j.mu.Unlock()

	keep, err := j.oldestToKeep(store)
	taken := err == nil && (owed || keep > 0 || long)

	if taken {
		err = j.options.Snapshot(j.working)
	}

	j.mu.Lock()
	if taken && err == nil {
		j.unsnapped = 0
	}
	degraded := j.reason != ""
	if owed && (err != nil || degraded) {
		j.snapshotsOwed = true // with the next append
	}
	j.mu.Unlock()

	if err != nil || degraded || keep == 0 {
		return err
	}

	return j.deleteBefore(store, min(keep, newest))
}

// oldestToKeep returns the sequence before which everything may be deleted, 0 for nothing.
func (j *Journal) oldestToKeep(store *store) (uint64, error) {
	if store == nil {
		return 0, errNoDatabase
	}

	floor, _, err := retained(j.working, store.readers)
	if err != nil {
		return 0, err
	}

	first, last, err := store.bounds(floor)
	if err != nil || last == 0 {
		return 0, err
	}

	young, err := store.firstYoung(first, j.options.BootID, j.options.Now(), j.options.MaxAge)
	if err != nil {
		return 0, err
	}

	keep := uint64(0)
	if young > first {
		keep = young
	}

	size, err := store.bytes()
	if err != nil {
		return 0, err
	}

	j.mu.Lock()
	j.bytes = size
	j.mu.Unlock()

	if size > j.options.MaxBytes { // down to four fifths, so that it is not due again at once
		share := 1 - 0.8*float64(j.options.MaxBytes)/float64(size)
		keep = max(keep, first+uint64(share*float64(last-first+1)))
	}

	return keep, nil
}

// deleteBefore deletes what is older than a sequence in small transactions, so that an append between two of them waits for
// one at most. The newest lines of EVENTS of each service stay.
func (j *Journal) deleteBefore(store *store, keep uint64) error {
	keep, err := store.decisionAt(keep)
	if err != nil {
		return err
	}

	lines, err := store.oldestLines()
	if err != nil {
		return err
	}

	for from := uint64(0); from < keep && j.working.Err() == nil; {
		if from, err = store.deleteChunk(from, keep, lines); err != nil {
			return err
		}
	}

	return j.measure(store)
}

// measure finds out how much space the records take now.
func (j *Journal) measure(store *store) error {
	size, err := store.bytes()
	if err != nil {
		return err
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	j.bytes = size
	j.announce()

	return nil
}

// bounds returns the oldest sequence from the floor on, and the newest, 0 where there are no rows.
func (s *store) bounds(floor uint64) (first, last uint64, err error) {
	err = s.readers.QueryRow(`SELECT coalesce((SELECT seq FROM records WHERE seq >= ? ORDER BY seq LIMIT 1), 0),
		coalesce((SELECT seq FROM records ORDER BY seq DESC LIMIT 1), 0)`, int64(floor)).Scan(&first, &last)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return first, last, nil
}

// firstYoung returns the oldest record from a sequence on that is younger than maxAge. The age of this boot's records is by
// boottime, because their wall clock may be decades off.
func (s *store) firstYoung(from uint64, bootID string, now *events.Instant, maxAge time.Duration) (uint64, error) {
	var seq uint64

	err := s.readers.QueryRow(`SELECT seq FROM records WHERE seq >= ? AND iif(boot = ?, boot_ns > ?, wall_ns > ?) ORDER BY seq LIMIT 1`,
		int64(from), bootID, now.GetBootNs()-maxAge.Nanoseconds(), now.GetWallNs()-maxAge.Nanoseconds()).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) { // everything is old, but the newest row keeps the sequence
		_, seq, err = s.bounds(from)
	}

	if err != nil {
		return 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return seq, nil
}

// decisionAt returns where the decision begins that the row at a sequence, or the next one there is, belongs to.
func (s *store) decisionAt(seq uint64) (uint64, error) {
	var first uint64

	err := s.readers.QueryRow("SELECT decision_seq FROM records WHERE seq >= ? ORDER BY seq LIMIT 1", int64(seq)).Scan(&first)
	if err != nil {
		return 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return first, nil
}
