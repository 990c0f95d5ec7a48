package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/extactor/extactor/events"
)

// eachRows is how many sequences a part has in which many records are read: enough for a query to cost nothing, few enough
// to stay small in memory.
const eachRows = 1024

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

	go s.readParts(ctx, first-1, last, parts)

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
	}

	return ctx.Err() == nil, ctx.Err()
}

// readParts reads parts side by side and hands them on in order.
func (s *store) readParts(ctx context.Context, after, until uint64, parts chan<- *part) {
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

			next.page, next.err = s.part(ctx, after, min(after+eachRows, until))
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

// partQuery leaves out what is the same in nearly every row: who wrote it.
var partQuery = "SELECT " + strings.Replace(columns, "instance, boot, run",
	"nullif(instance, ?3), nullif(boot, ?4), nullif(run, ?5)", 1) + " FROM records WHERE seq > ?1 AND seq <= ?2 ORDER BY seq"

// sameIdentity is who wrote the first row after a sequence.
func sameIdentity(ctx context.Context, conn *sql.Conn, after uint64) (same Identity, err error) {
	err = conn.QueryRowContext(ctx, "SELECT instance, boot, run FROM records WHERE seq > ? ORDER BY seq LIMIT 1", signed(after)).
		Scan(&same.Instance, &same.BootID, &same.RunID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return same, fmt.Errorf("cannot read the journal: %w", err)
	}

	return same, nil
}

// part reads all rows after a sequence, up to another. It asks the driver itself: a journal is read as a whole often enough
// for what database/sql does with each column of each row to be felt.
func (s *store) part(ctx context.Context, after, until uint64) (found page, err error) {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return found, fmt.Errorf("cannot read the journal: %w", err)
	}
	defer conn.Close()

	same, err := sameIdentity(ctx, conn, after)
	if err != nil {
		return found, err
	}

	err = conn.Raw(func(connection any) error {
		asked, ok := connection.(driver.QueryerContext)
		if !ok {
			return errors.New("the driver cannot do that")
		}

		rows, err := asked.QueryContext(ctx, partQuery, []driver.NamedValue{
			{Ordinal: 1, Value: signed(after)}, {Ordinal: 2, Value: signed(until)},
			{Ordinal: 3, Value: same.Instance}, {Ordinal: 4, Value: same.BootID}, {Ordinal: 5, Value: same.RunID},
		})
		if err != nil {
			return err
		}
		defer rows.Close()

		found.records = make([]events.Record, 0, until-after)

		return found.take(rows, same)
	})
	if err != nil {
		return found, fmt.Errorf("cannot read the journal: %w", err)
	}

	return found, nil
}

// take reads rows to the end.
func (p *page) take(rows driver.Rows, same Identity) error {
	var (
		scan    = scanner{last: same}
		values  = make([]driver.Value, len(rows.Columns()))
		written = [...]driver.Value{same.Instance, same.BootID, same.RunID}
	)

	for {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return err
		}

		for i := range written {
			if values[1+i] == nil {
				values[1+i] = written[i]
			}
		}

		record, payload, err := scan.values(values)
		if err == nil {
			err = decode(&record, payload)
		}

		p.rows++
		if p.first == 0 {
			p.first = record.Seq
		}

		p.last = record.Seq

		if err != nil {
			p.damaged = append(p.damaged, record.Seq)
		} else {
			p.records = append(p.records, record)
		}
	}
}

// values makes a record of the values of its columns and checks it. Identities that repeat are kept once.
func (s *scanner) values(values []driver.Value) (record events.Record, payload []byte, err error) {
	whole := true
	number := func(at int) int64 {
		value, ok := values[at].(int64)
		whole = whole && ok

		return value
	}
	text := func(at int) string {
		value, ok := values[at].(string)
		whole = whole && ok

		return value
	}

	record = events.Record{
		Seq: uint64(number(0)), Instance: text(1), BootID: text(2), RunID: text(3), Service: text(4), Attempt: uint64(number(5)),
		Kind: text(6), State: text(7), Message: text(8), WallNS: number(9), BootNS: number(10), Cause: uint64(number(11)),
		Decision: uint64(number(12)),
	}

	if record.Instance == s.last.Instance && record.BootID == s.last.BootID && record.RunID == s.last.RunID {
		record.Instance, record.BootID, record.RunID = s.last.Instance, s.last.BootID, s.last.RunID
	}

	s.last = Identity{Instance: record.Instance, BootID: record.BootID, RunID: record.RunID}

	if values[13] != nil || values[14] != nil || values[15] != nil {
		record.Origin = originOf(uint32(number(13)), int32(number(14)), text(15))
	}

	payload, ok := values[16].([]byte)
	crc := uint32(number(17))

	if !whole || !ok && values[16] != nil {
		return record, nil, fmt.Errorf("record %d is damaged: a column is of another type", record.Seq)
	}

	var sum uint32
	if sum, s.scratch = checksum(s.scratch, &record, payload); sum != crc {
		return record, nil, fmt.Errorf("record %d is damaged: checksum %08x instead of %08x", record.Seq, sum, crc)
	}

	return record, payload, nil
}

// signed is a sequence as SQLite takes it.
func signed(seq uint64) int64 { return int64(min(seq, 1<<63-1)) }

// raw yields the rows after a sequence, up to another, with their payloads as they are, and what is wrong with them. The
// payload is valid until yield returns.
func (s *store) raw(ctx context.Context, after, until uint64, yield func(record events.Record, payload []byte, crc uint32, damage error) error) error {
	rows, err := s.readers.QueryContext(ctx, "SELECT "+columns+" FROM records WHERE seq > ? AND seq <= ? ORDER BY seq",
		signed(after), signed(until))
	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}
	defer rows.Close()

	var scan scanner
	for rows.Next() {
		record, damage := scan.raw(rows)
		if err := yield(record, scan.payload, scan.crc, damage); err != nil {
			return err
		}
	}

	if err := rows.Err(); err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}

	return nil
}
