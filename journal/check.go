package journal

import "time"

// checkChunk is how many rows the check reads at a time.
const checkChunk = 500

// check reads what openDatabase did not: first the structure, for which Replay waits, then every older row, at half the
// speed that it could. Where the table cannot be read the committer sets the database aside.
func (j *Journal) check(store *store, first uint64) {
	defer close(store.checked)

	err := j.checkStructure(store)
	if err == nil {
		close(store.sound)
		j.recallSnapshots(store)

		err = j.checkRows(store, first)
	} else {
		defer close(store.sound)
	}

	switch {
	case store.ending.Err() != nil:
		return
	case unreadable(err):
		j.reopen(store, err, err)

		return
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	if j.store != store {
		return
	}

	if err != nil { // what cannot be read now may be later: nothing is set aside
		j.lose(Loss{Reason: "older records could not be checked: " + err.Error()})

		return
	}

	j.checked = true
	j.announce()
}

// recallSnapshots finds out how many records an earlier run of the daemon wrote since its last snapshots.
func (j *Journal) recallSnapshots(store *store) {
	age, err := store.snapshotAge(store.ending, snapshotEvery)
	if err != nil {
		return // then the next ones come later
	}

	j.mu.Lock()
	j.unsnapped = max(j.unsnapped, age)
	j.mu.Unlock()
}

// reopen has the committer open a database again of which something could not be read, for a reason, and set it aside
// before that if it is known to be broken.
func (j *Journal) reopen(store *store, reason, broken error) {
	j.mu.Lock()
	if j.store == store && !j.doubt {
		j.log.Warn().Err(reason).Msg("journal: cannot read what was recorded before")

		j.doubt, j.broken = true, broken
	}
	j.mu.Unlock()

	j.signal()
}

func (j *Journal) checkStructure(store *store) error {
	found, err := store.structure(store.ending)
	if err != nil {
		return err
	}

	if found.missing > 0 {
		j.mu.Lock()
		j.lose(Loss{Reason: keptReason, Records: found.missing})
		j.mu.Unlock()
	}

	if found.indexed {
		return nil
	}

	j.log.Warn().Msg("journal: the index is damaged and is built again")

	if err := store.reindex(store.ending); err != nil { // the queries do without it
		j.log.Warn().Err(err).Msg("journal: the index stays damaged")
	}

	return nil
}

// checkRows reads the rows up to the first one that was checked before.
func (j *Journal) checkRows(store *store, first uint64) error {
	floor, _, err := retained(store.ending, store.readers)
	if err != nil {
		return err
	}

	older := &sweep{last: max(floor, 1) - 1, whole: true}
	pause := time.NewTimer(0)

	defer pause.Stop()

	for older.at < first {
		select {
		case <-pause.C:
		case <-store.ending.Done():
			return store.ending.Err()
		}

		began := time.Now()

		taken, err := store.take(store.ending, older, "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
			int64(older.at), int64(first), checkChunk)
		if err != nil {
			return err
		}

		if floor, _, err = retained(store.ending, store.readers); err != nil { // it rises before what is below it goes
			return err
		}

		j.mu.Lock()
		for _, loss := range older.losses(floor) {
			j.lose(loss)
		}
		j.mu.Unlock()

		if taken == 0 { // retention was faster
			return nil
		}

		pause.Reset(time.Since(began))
	}

	return nil
}

// settled waits until the structure of the database was checked, for those whom it must not mislead.
func (j *Journal) settled() {
	for {
		j.mu.Lock()
		store, changed := j.store, j.changed
		waiting := store == nil && j.reason == "" || j.doubt // for the committer, to open it again
		closed := j.closed
		j.mu.Unlock()

		switch {
		case closed, store == nil && !waiting:
			return
		case waiting:
			<-changed

			continue
		}

		<-store.sound

		j.mu.Lock()
		settled := j.store == store && !j.doubt
		j.mu.Unlock()

		if settled {
			return
		}
	}
}
