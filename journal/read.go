package journal

import (
	"context"
	"slices"

	"github.com/extactor/extactor/events"
)

// view is what a reader needs of the journal at one moment: the database up to a sequence, and what follows in memory.
type view struct {
	store     *store
	committed uint64
	pending   []events.Record
}

// look takes a view; of the rows in memory only those that are wanted.
func (j *Journal) look(wanted func(*events.Record) bool) view {
	j.mu.Lock()
	defer j.mu.Unlock()

	now := view{store: j.store, committed: j.committed}

	for _, decision := range j.queue.decisions {
		for i := range decision.rows {
			if wanted(&decision.rows[i]) {
				now.pending = append(now.pending, decision.rows[i])
			}
		}
	}

	return now
}

// Replay yields every record of a service in order, those in memory included, until yield returns false; the empty name
// means the daemon's own. Damaged records are left out and reported in the status. While there is no database to read,
// what is in memory is all there is. Soon after Open it waits until the database's structure was checked, so that no
// record is hidden by a damaged index.
func (j *Journal) Replay(service string, yield func(events.Record) bool) error {
	j.settled()

	now := j.look(func(row *events.Record) bool { return row.Service == service })

	if now.store != nil {
		more, err := now.store.replay(context.Background(), service, now.committed, j.report, yield)
		if err != nil || !more {
			return j.unread(now.store, err)
		}
	}

	for _, record := range now.pending {
		if !yield(record) {
			return nil
		}
	}

	return nil
}

// Tail returns the last n records of a service whose Message is not empty, oldest first; of all services, and the daemon,
// where the name is empty. It includes those in memory.
func (j *Journal) Tail(service string, n int) ([]events.Record, error) {
	if n <= 0 {
		return nil, nil
	}

	now := j.look(func(row *events.Record) bool {
		return row.Message != "" && (service == "" || row.Service == service)
	})
	tail := now.pending[max(0, len(now.pending)-n):]

	if now.store != nil && len(tail) < n {
		older, err := now.store.tail(context.Background(), service, now.committed, n-len(tail), j.report)
		if err != nil {
			return nil, j.unread(now.store, err)
		}

		tail = append(older, tail...)
	}

	return tail, nil
}

// Services lists the services that have records, in alphabetical order. The daemon's own records do not count.
func (j *Journal) Services() ([]string, error) {
	j.settled()

	now := j.look(func(row *events.Record) bool { return row.Service != "" })

	var names []string

	if now.store != nil {
		var err error
		if names, err = now.store.services(); err != nil {
			return nil, j.unread(now.store, err)
		}
	}

	for _, record := range now.pending {
		names = append(names, record.Service)
	}

	slices.Sort(names)

	return slices.Compact(names), nil
}

// report tells of rows that were skipped.
func (j *Journal) report(found page) {
	if len(found.damaged) == 0 {
		return
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	for _, seq := range found.damaged {
		j.lose(Loss{From: seq, To: seq, Reason: damagedReason})
	}
}

// unread passes a reader's error on; where the database itself is damaged the committer will deal with it, unless the check
// is under way and will find out what is wrong.
func (j *Journal) unread(store *store, err error) error {
	if !unreadable(err) {
		return err
	}

	select {
	case <-store.checked:
		j.reopen(store, err, nil)
	default:
	}

	return err
}

// signal wakes the committer. A token that is still there means that it has not looked since.
func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}
