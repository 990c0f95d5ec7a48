package journal

import (
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/extactor/extactor/events"
)

const (
	batchRows  = 512 // rows in one transaction, about
	recentRows = 256 // committed rows that are kept in memory for live readers
)

// commit is the committer: the only goroutine that opens the database and writes records.
func (j *Journal) commit() {
	defer close(j.ended)

	retry := time.NewTimer(j.options.retry)
	armed := !j.attempt() // a tick that is still to come after a success does no harm

	j.mu.Lock()
	close(j.opened)
	j.mu.Unlock()

	for {
		select {
		case <-j.wake:
			if armed && !j.doubted() {
				continue // the timer decides when to try again
			}
		case <-retry.C:
			if !armed {
				continue
			}
		case <-j.closing:
			j.attempt()
			j.shutdown()

			return
		}

		if armed = !j.attempt(); armed {
			retry.Reset(j.options.retry)
		}
	}
}

func (j *Journal) doubted() bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.doubt
}

// attempt writes everything that waits. Where it cannot, the journal is degraded.
func (j *Journal) attempt() bool {
	err := j.drain()
	if err == nil {
		return true
	}

	j.mu.Lock()
	j.queue.inflight = 0
	j.mu.Unlock()

	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY: // the next try may work in place
	default:
		j.closeStore()
	}

	if unreadable(err) { // it was whole when it was opened
		if problem := j.setAside(err); problem != nil {
			err = problem
		} else {
			err = j.drain()
		}
	}

	if err == nil {
		return true
	}

	j.degrade(j.explain(err))

	return false
}

// drain opens the database if need be and writes the queue in batches until it is empty.
func (j *Journal) drain() error {
	if err := j.ensureStore(); err != nil {
		return err
	}

	for {
		j.mu.Lock()
		batch := j.queue.take(batchRows)
		store := j.store

		if len(batch) == 0 {
			j.heal()
			j.mu.Unlock()

			return nil
		}
		j.mu.Unlock()

		if err := store.write(batch); err != nil {
			return err
		}

		j.settle(batch)

		if j.options.Sync == Always {
			if err := j.flush(); err != nil {
				return err // which has answered the batch, too: it is buffered as long as a power cut can take it
			}

			j.answer(batch)
		}
	}
}

func (j *Journal) answer(batch []*queued) {
	j.mu.Lock()
	defer j.mu.Unlock()

	for _, decision := range batch {
		decision.answer(true)
	}
}

// settle notes that a batch is in the database.
func (j *Journal) settle(batch []*queued) {
	if j.options.Sync == Interval {
		defer j.answer(batch)
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	for _, decision := range batch {
		j.recent = append(j.recent, decision.rows...)
		j.unmoved += len(decision.rows)
		j.unchecked += len(decision.rows)
	}

	if extra := len(j.recent) - recentRows; extra > recentRows { // seldom, so that little is copied
		j.recent = append([]events.Record(nil), j.recent[extra:]...)
	}

	j.committed = batch[len(batch)-1].last()
	j.queue.drop(len(batch))
	j.show(j.committed)
	j.armSync()
}

// heal ends the degradation; the lock is held.
func (j *Journal) heal() {
	j.armSync()
	j.maintain()

	if j.reason == "" {
		return
	}

	j.log.Info().Str("path", j.path()).Msg("journal: no longer degraded")
	j.reason = ""
	j.announce()
}

// closeStore lets go of the database.
func (j *Journal) closeStore() {
	j.flusher.Lock() // a flush uses the files
	defer j.flusher.Unlock()

	j.mu.Lock()
	store, head := j.store, j.head
	j.store, j.head, j.doubt = nil, nil, false
	j.mu.Unlock()

	if store != nil {
		if err := store.close(); err != nil {
			j.log.Warn().Err(err).Msg("journal: cannot close the database")
		}
	}

	if head != nil {
		_ = head.file.Close()
	}
}

// shutdown syncs and closes.
func (j *Journal) shutdown() {
	j.mu.Lock()
	open := j.store != nil
	j.mu.Unlock()

	if open {
		if err := j.flush(); err != nil {
			j.log.Error().Err(err).Msg("journal: cannot sync at shutdown")
		}
	}

	j.stopWork()
	j.work.Wait()
	j.closeStore()
}

// ensureStore opens the database if it is not open or no longer to be trusted.
func (j *Journal) ensureStore() error {
	j.mu.Lock()
	open, doubt, unsafe := j.store != nil, j.doubt, j.unsafe
	j.mu.Unlock()

	if doubt {
		j.closeStore()
	}

	if doubt || !open {
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

	err := j.openDatabase()
	if err != nil && unreadable(err) {
		if err := j.setAside(err); err != nil {
			return err
		}

		err = j.openDatabase()
	}

	return err
}

// openDatabase opens and checks the database, and fits it together with what is in memory.
func (j *Journal) openDatabase() error {
	store, err := openStore(j.path())
	if err != nil {
		return err
	}

	found, err := store.examine()
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

	j.store, j.head, j.bytes = store, head, size
	for _, loss := range found.losses {
		j.lose(loss)
	}

	j.adopt(found.last, found.run, head.seq)

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
