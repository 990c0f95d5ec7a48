package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/extactor/extactor/events"
)

// snapshotKind is the kind of the records with which a fold can begin.
var snapshotKind = events.New(&events.Snapshot{}).KindName()

// At folds everything up to a record, and so tells how every service was after it. A fold begins with the newest snapshot
// of each service, so that the middle of a long journal takes no longer than its beginning.
func (j *Journal) At(ctx context.Context, seq uint64) (*events.Fold, error) {
	j.settled()

	now := j.look(func(row *events.Record) bool { return row.Seq <= seq })
	fold := &events.Fold{}

	if now.store != nil {
		var err error
		if fold, err = now.store.past(ctx, min(seq, now.committed), j.report); err != nil {
			return nil, j.unread(now.store, err)
		}
	}

	for _, record := range now.pending {
		fold.Apply(record)
	}

	return fold, nil
}

// Each yields the records of all services after a sequence, up to another, in order, those in memory included, until yield
// returns false. It reads everything once, which for the whole journal is far faster than service by service.
func (j *Journal) Each(ctx context.Context, after, until uint64, yield func(events.Record) bool) error {
	now := j.look(func(row *events.Record) bool { return row.Seq > after && row.Seq <= until })

	if now.store != nil {
		more, err := now.store.each(ctx, after, min(until, now.committed), j.report, yield)
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

// past folds what the last run before a sequence knows of.
func (s *store) past(ctx context.Context, seq uint64, report func(page)) (*events.Fold, error) {
	fold := &events.Fold{}

	newest, err := s.stamp(ctx, seq)
	if err != nil || newest.seq == 0 {
		return fold, err
	}

	floor, _, err := retained(ctx, s.readers)
	if err != nil {
		return nil, err
	}

	services, err := s.services()
	if err != nil {
		return nil, err
	}

	for _, service := range services {
		if err := s.foldService(ctx, fold, service, newest, floor, report); err != nil {
			return nil, err
		}
	}

	own, err := s.read(ctx, "WHERE service = '' AND run = ? AND seq <= ? ORDER BY seq", newest.run, signed(seq))
	if err != nil {
		return nil, err
	}

	report(own)

	for _, record := range own.records {
		fold.Apply(record)
	}

	if newest.seq < floor {
		fold.Doubt(floor) // also of services that nothing is left of
	}

	fold.End(events.Record{Seq: newest.seq, RunID: newest.run, BootID: newest.boot, WallNS: newest.wallNS, BootNS: newest.bootNS})

	return fold, nil
}

// foldService folds one service, if the run has it.
func (s *store) foldService(ctx context.Context, fold *events.Fold, service string, newest stamp, floor uint64, report func(page)) error {
	var run string

	err := s.readers.QueryRowContext(ctx, "SELECT run FROM "+s.records()+" WHERE service = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
		service, signed(newest.seq)).Scan(&run)
	if errors.Is(err, sql.ErrNoRows) || err == nil && run != newest.run {
		return nil
	}

	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}

	begun, err := s.beginService(ctx, fold, service, newest.seq, report)
	if err != nil {
		return err
	}

	after := begun

	var last *events.Event

	for {
		found, err := s.ofService(ctx, service, after, newest.seq, eachRows)
		if err != nil {
			return err
		}

		report(found)

		for _, record := range found.records {
			fold.Apply(record)
			last = record.Event
		}

		if found.rows < eachRows {
			break
		}

		after = found.last
	}

	if floor > 1 && begun < floor && !tellsAll(last) {
		fold.Doubt(floor)
	}

	return nil
}

// tellsAll tells whether an event alone says how a service is: those that are not ours take no snapshots.
func tellsAll(event *events.Event) bool {
	switch event.GetKind().(type) {
	case *events.Event_HostChanged, *events.Event_JournalChanged, *events.Event_RuntimeConnected, *events.Event_RuntimeDisconnected:
		return true
	default:
		return false
	}
}

// beginService begins with the newest snapshot of a service, and returns its sequence; 0 where there is none to begin with.
func (s *store) beginService(ctx context.Context, fold *events.Fold, service string, until uint64, report func(page)) (uint64, error) {
	found, err := s.read(ctx, "WHERE service = ? AND kind = ? AND seq <= ? ORDER BY seq DESC LIMIT 1", service, snapshotKind, signed(until))
	if err != nil || len(found.records) == 0 {
		return 0, err
	}

	snapshot := found.records[0]
	if !snapshot.Event.GetSnapshot().GetWhole() {
		return 0, nil
	}

	lines, err := s.tail(ctx, service, snapshot.Seq, events.RecentLines, report)
	if err != nil {
		return 0, err
	}

	fold.Begin(snapshot, lines)

	return snapshot.Seq, nil
}

// snapshotAge returns how many records there are since the newest snapshot, at most about as many as count.
func (s *store) snapshotAge(ctx context.Context, count int) (int, error) {
	var age int

	err := s.readers.QueryRowContext(ctx, `SELECT coalesce((SELECT newest.seq - seq FROM records
			WHERE seq > newest.seq - ?1 AND kind = ?2 ORDER BY seq DESC LIMIT 1), min(?1, newest.seq))
		FROM (SELECT coalesce(max(seq), 0) AS seq FROM records) AS newest`, count, snapshotKind).Scan(&age)
	if err != nil {
		return 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return age, nil
}
