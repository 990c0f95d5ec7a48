package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/extactor/extactor/events"
)

// pageRows is how many rows a reader holds in memory at a time. Connections are never held while a caller works.
const pageRows = 256

// page is a part of the journal as it was read.
type page struct {
	records []events.Record
	first   uint64   // the oldest sequence that was read, damaged rows included; 0 if there was none
	last    uint64   // the newest
	damaged []uint64 // rows that were skipped because they are not what was written
	rows    int
}

// after reads the rows of every service that follow a sequence, up to another.
func (s *store) after(ctx context.Context, seq, until uint64, limit int) (page, error) {
	return s.read(ctx, "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", int64(seq), int64(until), limit)
}

// ofService reads the rows of one service that follow a sequence, up to another.
func (s *store) ofService(ctx context.Context, service string, seq, until uint64, limit int) (page, error) {
	return s.read(ctx, "WHERE service = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?", service, int64(seq), int64(until), limit)
}

// messages reads the newest rows with a message, newest first; of every service where it is empty.
func (s *store) messages(ctx context.Context, service string, until uint64, limit int) (page, error) {
	if service == "" {
		return s.read(ctx, "WHERE message <> '' AND seq <= ? ORDER BY seq DESC LIMIT ?", int64(until), limit)
	}

	return s.read(ctx, "WHERE service = ? AND message <> '' AND seq <= ? ORDER BY seq DESC LIMIT ?", service, int64(until), limit)
}

// replay yields a service's rows up to a sequence, and tells whether yield wanted them all.
func (s *store) replay(ctx context.Context, service string, until uint64, report func(page), yield func(events.Record) bool) (bool, error) {
	for after := uint64(0); ; {
		found, err := s.ofService(ctx, service, after, until, pageRows)
		if err != nil {
			return false, err
		}

		report(found)

		for _, record := range found.records {
			if !yield(record) {
				return false, nil
			}
		}

		if found.rows < pageRows {
			return true, nil
		}

		after = found.last
	}
}

// tail returns the newest n rows with a message up to a sequence, oldest first.
func (s *store) tail(ctx context.Context, service string, until uint64, n int, report func(page)) ([]events.Record, error) {
	var tail []events.Record

	for len(tail) < n {
		found, err := s.messages(ctx, service, until, n-len(tail))
		if err != nil {
			return nil, err
		}

		report(found)
		tail = append(tail, found.records...)

		if len(found.damaged) == 0 || found.first <= 1 {
			break
		}

		until = found.first - 1 // damaged rows took the place of others
	}

	slices.Reverse(tail)

	return tail, nil
}

// read reads the rows that a condition names.
func (s *store) read(ctx context.Context, condition string, arguments ...any) (page, error) {
	return s.readInto(ctx, nil, condition, arguments...)
}

// readInto is read with room for the records.
func (s *store) readInto(ctx context.Context, into []events.Record, condition string, arguments ...any) (page, error) {
	found := page{records: into}

	err := s.gather(ctx, func(row *row) error {
		seq := row.record.Seq

		if row.decode() != nil {
			found.damaged = append(found.damaged, seq)
		} else {
			found.records = append(found.records, row.record)
		}

		if found.rows++; found.first == 0 || seq < found.first {
			found.first = seq
		}

		found.last = max(found.last, seq)

		return nil
	}, condition, arguments...)

	return found, err
}

// records names the table for a query that may use the index if that is sound.
func (s *store) records() string {
	if s.unindexed.Load() {
		return "records NOT INDEXED"
	}

	return "records"
}

// services lists the services that have rows, in alphabetical order, without the daemon itself. It goes from one to the next
// by the index, which is far less than to read all of it.
func (s *store) services() ([]string, error) {
	if s.unindexed.Load() {
		return s.servicesByTable()
	}

	var names []string

	for name := ""; ; {
		err := s.readers.QueryRow("SELECT service FROM records WHERE service > ? ORDER BY service LIMIT 1", name).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return names, nil
		}

		if err != nil {
			return nil, fmt.Errorf("cannot list services: %w", err)
		}

		names = append(names, name)
	}
}

func (s *store) servicesByTable() ([]string, error) {
	rows, err := s.readers.Query("SELECT DISTINCT service FROM records NOT INDEXED WHERE service > '' ORDER BY service")
	if err != nil {
		return nil, fmt.Errorf("cannot list services: %w", err)
	}
	defer rows.Close()

	var names []string

	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("cannot list services: %w", err)
		}

		names = append(names, name)
	}

	return names, rows.Err()
}
