package journal

import "fmt"

// ensureStore opens the database if it is not open or no longer to be trusted.
func (j *Journal) ensureStore() error {
	j.mu.Lock()
	store, doubt, broken, unsafe := j.store, j.doubt, j.broken, j.unsafe
	j.mu.Unlock()

	if doubt {
		j.closeStore()
	}

	if broken != nil {
		if err := j.setAside(broken); err != nil {
			return err
		}
	}

	if doubt || store == nil {
		if err := j.openPlace(); err != nil {
			return err
		}
	}

	if unsafe {
		return j.flush()
	}

	return nil
}

// openPlace opens the database where the state directory can be used, and sets it aside where it cannot be read.
func (j *Journal) openPlace() error {
	if err := preparePlace(j.options.Dir, j.options.Mount); err != nil {
		return err
	}

	if j.options.Check != nil {
		if err := j.options.Check(); err != nil {
			return err
		}
	}

	err := j.openDatabase()
	if err != nil && unreadable(err) {
		if err := j.setAside(err); err != nil {
			return err
		}

		err = j.openDatabase()
	}

	return err
}

// openDatabase opens the database, checks its newest rows, and fits it together with what is in memory. The rest is checked
// meanwhile.
func (j *Journal) openDatabase() error {
	store, err := openStore(j.path())
	if err != nil {
		return err
	}

	newest, losses, err := store.recent()
	if err != nil {
		_ = store.close()

		return err
	}

	head, err := openHead(j.options.Dir)
	if err != nil {
		_ = store.close()

		return err
	}

	size, err := store.bytes()
	if err != nil {
		_, _ = store.close(), head.file.Close()

		return fmt.Errorf("cannot measure the journal: %w", err)
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	j.store, j.head, j.bytes, j.checked = store, head, size, false
	for _, loss := range losses {
		j.lose(loss)
	}

	j.adopt(newest.last, newest.run, head.seq)
	j.announce()

	go j.check(store, newest.first)

	return nil
}

// adopt fits the queue to a database whose newest row has the sequence last and was written by run, and of which head was
// synced; the lock is held.
//
// Rows of the queue that the database has already are dropped. Sequences that it has given to others are given anew. What
// it should have and has not, is lost: a Gap stands in its place.
func (j *Journal) adopt(last uint64, run string, head uint64) {
	ours := last > 0 && run == j.options.RunID
	top := max(last, head)
	started := j.queue.next > 1

	if ours {
		written := 0
		for written < len(j.queue.decisions) && j.queue.decisions[written].last() <= last {
			j.queue.decisions[written].answer(true)
			written++
		}

		j.queue.drop(written)
	}

	first := j.queue.next
	if len(j.queue.decisions) > 0 {
		first = j.queue.decisions[0].first()
	}

	if top >= first { // they were provisional, or the directory is another one now
		change := j.queue.renumber(top-(first-1), j.options.Identity)
		if started {
			j.moved = append(j.moved, change)
			j.visible = change.apply(j.visible)
			j.snapshotsOwed = true
			j.recent = nil
			j.publish()
		}

		first = top + 1
	}

	if last+1 < first {
		reason := "records are missing at the end of the journal"
		if last == 0 {
			reason = "the journal was lost"
		}

		j.lose(Loss{From: last + 1, To: first - 1, Reason: reason})
		j.queue.insert(0, newGap(j.options.Identity, last+1, first-1, j.options.Now()))
		j.snapshotsOwed = j.snapshotsOwed || started
		j.recent = nil
	}

	j.committed, j.synced = last, min(head, last)
	j.visible = max(j.visible, last)
}
