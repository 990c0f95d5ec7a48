package journal

import (
	"context"
	"fmt"

	"github.com/extactor/extactor/events"
)

// eachRows is how many sequences a part has in which many records are read: enough for a query to cost nothing, few enough
// to stay small in memory.
const eachRows = 2048

// part is a piece of the journal that is being read.
type part struct {
	page page
	err  error
	done chan struct{}
}

// each yields the rows of all services after a sequence, up to another, in order, and tells whether yield wanted them all.
// While one part is worked on the next ones are read.
func (s *store) each(ctx context.Context, after, until uint64, report func(page), yield func(events.Record) bool) (bool, error) {
	first, last, err := s.between(after, until)
	if err != nil || last == 0 {
		return true, err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	parts := make(chan *part, readConnections)
	used := make(chan []events.Record, readConnections)

	go s.readParts(ctx, first-1, last, parts, used)

	for part := range parts {
		<-part.done

		if part.err != nil {
			return false, part.err
		}

		report(part.page)

		for _, record := range part.page.records {
			if !yield(record) {
				return false, nil
			}
		}

		select {
		case used <- part.page.records[:0]:
		default:
		}
	}

	return ctx.Err() == nil, ctx.Err()
}

// readParts reads parts side by side and hands them on in order. It uses again the memory of those that were worked on.
func (s *store) readParts(ctx context.Context, after, until uint64, parts chan<- *part, used <-chan []events.Record) {
	defer close(parts)

	for ; after < until; after += eachRows {
		next := &part{done: make(chan struct{})}

		select {
		case parts <- next:
		case <-ctx.Done():
			return
		}

		go func(after uint64) {
			defer close(next.done)

			var into []events.Record
			select {
			case into = <-used:
			default:
				into = make([]events.Record, 0, min(eachRows, until-after))
			}

			next.page, next.err = s.readInto(ctx, into, "WHERE seq > ? AND seq <= ? ORDER BY seq",
				signed(after), signed(min(after+eachRows, until)))
		}(after)
	}
}

// between returns the oldest and the newest sequence there is after a sequence, up to another; 0 for none.
func (s *store) between(after, until uint64) (first, last uint64, err error) {
	err = s.readers.QueryRow(`SELECT coalesce((SELECT seq FROM records WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1), 0),
		coalesce((SELECT seq FROM records WHERE seq > ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1), 0)`,
		signed(after), signed(until)).Scan(&first, &last)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return first, last, nil
}

// signed is a sequence as SQLite takes it.
func signed(seq uint64) int64 { return int64(min(seq, 1<<63-1)) }
