package journal

import (
	"errors"
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

	if j.options.Fatal != nil {
		defer func() {
			if reason := recover(); reason != nil {
				j.options.Fatal(reason)
			}
		}()
	}

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

	var unsynced *syncError

	switch {
	case code(err) == sqlite3.SQLITE_FULL, code(err) == sqlite3.SQLITE_BUSY, errors.As(err, &unsynced):
		// the next try may work in place
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
		j.unsnapped += len(decision.rows)
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

	if j.reason == "" || j.unsafe || j.doubt { // a flush found something out meanwhile: the next attempt looks into it
		return
	}

	j.log.Info().Str("path", j.path()).Msg("journal: no longer degraded")
	j.reason, j.since = "", nil
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
		store.end()
		<-store.checked

		if err := store.close(); err != nil {
			j.log.Warn().Err(err).Msg("journal: cannot close the database")
		}
	}

	if head != nil {
		_ = head.file.Close()
	}
}

// shutdown syncs and closes. Snapshots that were being taken may have appended since the last attempt.
func (j *Journal) shutdown() {
	j.attempt()
	j.flushLast()
	j.stopWork()
	j.work.Wait()

	j.mu.Lock()
	left := j.queue.records
	j.mu.Unlock()

	if left > 0 {
		j.attempt()
		j.flushLast()
	}

	j.closeStore()
}

func (j *Journal) flushLast() {
	j.mu.Lock()
	open := j.store != nil
	j.mu.Unlock()

	if !open {
		return
	}

	if err := j.flush(); err != nil {
		j.log.Error().Err(err).Msg("journal: cannot sync at shutdown")
	}
}
