package actorstest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/extactor/extactor/events"
)

// Stream reads the journal live.
type Stream struct {
	journal *Journal
	after   uint64
	closed  chan struct{}
	once    sync.Once
}

// Subscribe returns a reader of all records after a sequence, those to come included.
func (j *Journal) Subscribe(after uint64) *Stream {
	return &Stream{journal: j, after: after, closed: make(chan struct{})}
}

// Next blocks until there is another record.
func (s *Stream) Next(ctx context.Context) (events.Record, error) {
	for {
		record, changed, found := s.journal.next(s.after)

		select {
		case <-s.closed:
			return events.Record{}, errors.New("cannot read the journal: the stream is closed")
		default:
		}

		if found {
			s.after = record.Seq

			return record, nil
		}

		select {
		case <-changed:
		case <-s.closed:
		case <-ctx.Done():
			return events.Record{}, context.Cause(ctx)
		}
	}
}

// Close ends Next.
func (s *Stream) Close() { s.once.Do(func() { close(s.closed) }) }

func (j *Journal) next(after uint64) (record events.Record, changed <-chan struct{}, found bool) {
	j.mu.Lock()
	defer j.mu.Unlock()

	bySeq := func(record events.Record, seq uint64) int {
		if record.Seq < seq {
			return -1
		}

		return min(1, int(record.Seq-seq))
	}

	for _, records := range [][]events.Record{j.recorded, j.buffered} {
		if i, _ := slices.BinarySearchFunc(records, after+1, bySeq); i < len(records) {
			return records[i], j.changed, true
		}
	}

	return events.Record{}, j.changed, false
}
