package journal

import (
	"context"
	"sync"

	"github.com/extactor/extactor/events"
)

// Subscription reads the journal from some sequence on: first what is recorded, then what is appended, each record once
// and in order. Nothing is kept for a reader who does not read, who finds the records in the database later.
type Subscription struct {
	journal *Journal

	mu    sync.Mutex // one reader at a time
	after uint64     // the newest sequence that was read into page
	moved int        // how many renumberings after has gone through
	page  []events.Record

	closed    chan struct{}
	closeOnce sync.Once
}

// Subscribe begins a subscription with the first record after the sequence: 0 for everything, Status().Revision for only
// what is new.
func (j *Journal) Subscribe(after uint64) *Subscription {
	j.mu.Lock()
	defer j.mu.Unlock()

	return &Subscription{journal: j, after: after, moved: len(j.moved), closed: make(chan struct{})}
}

// Next waits for the next record. Buffered records are among them. A Gap stands for records that were lost; damaged
// records are left out. The error is the context's, ErrClosed after Close of either the subscription or the journal, or
// says why the database cannot be read at the moment; only after the last of these is there a point in calling again.
func (s *Subscription) Next(ctx context.Context) (events.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	select {
	case <-s.closed:
		return events.Record{}, ErrClosed
	default:
	}

	for len(s.page) == 0 {
		if err := s.fill(ctx); err != nil {
			return events.Record{}, err
		}
	}

	s.journal.mu.Lock()
	s.renumber()
	s.journal.mu.Unlock()

	record := s.page[0]
	s.page = s.page[1:]

	return record, nil
}

// Close ends the subscription. A Next that waits returns ErrClosed.
func (s *Subscription) Close() { s.closeOnce.Do(func() { close(s.closed) }) }

// fill gets the next page, or waits for something to happen.
func (s *Subscription) fill(ctx context.Context) error {
	j := s.journal
	j.mu.Lock()

	s.renumber()

	if s.after >= j.visible {
		if j.closed {
			j.mu.Unlock()

			return ErrClosed
		}

		if j.published == nil {
			j.published = make(chan struct{})
		}

		published := j.published
		j.mu.Unlock()

		return s.wait(ctx, published)
	}

	page, inMemory := j.remembered(s.after)
	store, committed, visible := j.store, j.committed, j.visible
	j.mu.Unlock()

	if inMemory {
		if s.take(page); len(page) == 0 {
			s.after = visible // what is left of it is the tail of a Gap
		}

		return nil
	}

	return s.readBack(store, committed)
}

// renumber follows sequences that turned out to be provisional; the journal's lock is held.
func (s *Subscription) renumber() {
	for _, change := range s.journal.moved[s.moved:] {
		s.after = change.apply(s.after)
		for i := range s.page {
			change.row(&s.page[i])
		}
	}

	s.moved = len(s.journal.moved)
}

func (s *Subscription) wait(ctx context.Context, published <-chan struct{}) error {
	select {
	case <-published:
		return nil
	case <-s.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Subscription) take(page []events.Record) {
	s.page = page
	if len(page) > 0 {
		s.after = page[len(page)-1].Seq
	}
}

// readBack reads a page of the database, for a reader who is too far behind for the memory.
func (s *Subscription) readBack(store *store, committed uint64) error {
	if store == nil {
		return errNoDatabase
	}

	found, err := store.after(context.Background(), s.after, committed, pageRows)
	if err != nil {
		return s.journal.unread(store, err)
	}

	s.journal.report(found)
	s.take(found.records)

	if found.rows < pageRows { // the rest, if any, is in memory
		s.after = max(s.after, committed)
	} else {
		s.after = found.last
	}

	return nil
}

// remembered returns the next records after a sequence where memory is sure to have them all; the lock is held.
func (j *Journal) remembered(after uint64) ([]events.Record, bool) {
	var page []events.Record

	if after < j.committed {
		if len(j.recent) == 0 || after+1 < j.recent[0].Seq {
			return nil, false
		}

		for i := range j.recent {
			if j.recent[i].Seq > after && len(page) < pageRows {
				page = append(page, j.recent[i])
			}
		}

		if len(page) > 0 {
			return page, true
		}
	}

	for _, decision := range j.queue.decisions {
		for i := range decision.rows {
			row := &decision.rows[i]
			if row.Seq > after && row.Seq <= j.visible && len(page) < pageRows {
				page = append(page, *row)
			}
		}
	}

	return page, true
}
