package journal

import (
	"errors"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// checkpointRows is after how many rows the write-ahead log is moved into the database.
const checkpointRows = 2000

// Sync makes everything that is recorded so far safe against a power cut. It waits for the disk as long as Append does;
// an error says why there is no promise.
func (j *Journal) Sync() error {
	j.mu.Lock()
	reason, buffered := j.reason, j.queue.records
	j.mu.Unlock()

	if reason != "" {
		return fmt.Errorf("cannot sync the journal: %d records are in memory only: %s", buffered, reason)
	}

	done := make(chan error, 1)
	go func() { done <- j.flush() }()

	timer := time.NewTimer(j.options.patience)
	defer timer.Stop()

	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errors.New("cannot sync the journal: the disk gives no answer")
	}
}

// armSync has what was written synced soon; the lock is held. No timer runs while everything is synced.
func (j *Journal) armSync() {
	if j.syncArmed || j.committed <= j.synced || j.closed {
		return
	}

	j.syncArmed = true
	time.AfterFunc(syncInterval, func() {
		j.mu.Lock()
		j.syncArmed = false
		open := j.store != nil && !j.closed
		j.mu.Unlock()

		if open {
			_ = j.flush() // it degrades the journal where it fails
		}
	})
}

// flush syncs the write-ahead log and then the head, and moves the log into the database when it has grown.
func (j *Journal) flush() error {
	j.flusher.Lock()
	defer j.flusher.Unlock()

	j.mu.Lock()
	store, head, seq, synced, unsafe, unmoved := j.store, j.head, j.committed, j.synced, j.unsafe, j.unmoved
	j.mu.Unlock()

	switch {
	case store == nil:
		return errors.New("cannot sync the journal: it is not open")
	case seq <= synced && !unsafe:
		return nil
	}

	if err := j.flushTo(store, head, seq, unsafe); err != nil {
		return err
	}

	j.mu.Lock()
	j.synced, j.unsafe = seq, false
	j.mu.Unlock()

	if unmoved < checkpointRows {
		return nil
	}

	return j.checkpoint(store, unmoved)
}

func (j *Journal) flushTo(store *store, head *head, seq uint64, unsafe bool) error {
	if store.replaced() {
		err := errors.New("the journal's file is no longer in the state directory")
		j.distrust(err, false)

		return err
	}

	sync := store.wal.file.Sync
	if unsafe {
		sync = store.rewrite
	}

	err := sync()

	if err == nil {
		err = head.write(seq)
	}

	if err != nil {
		err = &syncError{err}
		j.distrust(err, true)
	}

	return err
}

// distrust degrades the journal for something that a flush found out, and has the committer look into it.
func (j *Journal) distrust(err error, unsafe bool) {
	j.mu.Lock()
	j.doubt = j.doubt || !unsafe
	j.unsafe = j.unsafe || unsafe
	j.mu.Unlock()

	j.degrade(j.explain(err))
	j.signal()
}

func (j *Journal) checkpoint(store *store, unmoved int) error {
	err := store.checkpoint()
	if code(err) == sqlite3.SQLITE_IOERR && store.ending.Err() == nil {
		err = &syncError{err}
		j.distrust(err, true)

		return err
	}

	if err != nil {
		// The log still has everything; a disk without space will be noticed by the next append.
		j.log.Warn().Err(err).Msg("journal: cannot move the write-ahead log into the database")

		return nil
	}

	size, err := store.bytes()
	if err != nil {
		return nil //nolint:nilerr // only the figure in the status is old
	}

	j.mu.Lock()
	j.unmoved -= unmoved
	j.bytes = size
	j.mu.Unlock()

	return nil
}
