package journal

import (
	"context"
	"fmt"

	"github.com/extactor/extactor/events"
)

// goneKind is the kind of the record that ends the history of a service: nobody asks for its lines any more.
var goneKind = events.New(&events.ServiceRemoved{}).KindName()

// oldestLines returns for each service the sequence of the oldest line of EVENTS that must stay, whatever its age: that of
// the newest events.RecentLines, so that a quiet service keeps its past beside one that crashes all the time.
func (s *store) oldestLines() (map[string]uint64, error) {
	services, err := s.services()
	if err != nil {
		return nil, err
	}

	lines := make(map[string]uint64, len(services)+1)

	for _, service := range append(services, "") { // the daemon itself, too
		var (
			seq  uint64
			kind string
		)

		err := s.readers.QueryRow(`SELECT coalesce(min(seq), 0), coalesce((SELECT kind FROM `+s.records()+` WHERE service = ?1
				ORDER BY seq DESC LIMIT 1), '') FROM
			(SELECT seq FROM `+s.records()+` WHERE service = ?1 AND message <> '' ORDER BY seq DESC LIMIT ?2)`,
			service, events.RecentLines).Scan(&seq, &kind)
		if err != nil {
			return nil, fmt.Errorf("cannot read the journal: %w", err)
		}

		if kind != goneKind {
			lines[service] = seq
		}
	}

	return lines, nil
}

// deleteChunk deletes from some of the oldest rows on, up to a sequence, all but the lines that must stay, in one
// transaction that also says what is left. It returns where the next one goes on.
func (s *store) deleteChunk(from, keep uint64, lines map[string]uint64) (next uint64, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()

	ctx := context.Background()
	if err := s.begin(ctx); err != nil {
		return 0, fmt.Errorf("cannot delete old records: %w", err)
	}

	if next, err = s.deleteRows(ctx, from, keep, lines); err == nil {
		_, err = s.conn.ExecContext(ctx, "COMMIT")
	}

	if err != nil {
		_, _ = s.conn.ExecContext(ctx, "ROLLBACK")

		return 0, fmt.Errorf("cannot delete old records: %w", err)
	}

	return next, nil
}

func (s *store) deleteRows(ctx context.Context, from, keep uint64, lines map[string]uint64) (next uint64, err error) {
	floor, kept, err := retained(ctx, s.conn)
	if err != nil {
		return 0, err
	}

	if from < floor { // a chunk is either below the floor or above it
		keep = min(keep, floor)
	}

	rows, next, err := s.chunk(ctx, from, keep)
	if err != nil {
		return 0, err
	}

	for len(rows) > 0 {
		count := 0 // of neighbours that go
		for count < len(rows) && !rows[count].stays(lines) {
			count++
		}

		if count > 0 {
			_, err := s.conn.ExecContext(ctx, "DELETE FROM records WHERE seq BETWEEN ? AND ?",
				int64(rows[0].seq), int64(rows[count-1].seq))
			if err != nil {
				return 0, err
			}
		}

		if from < floor {
			kept -= min(kept, uint64(count))
		} else if count < len(rows) {
			kept++
		}

		rows = rows[min(count+1, len(rows)):]
	}

	_, err = s.conn.ExecContext(ctx, "UPDATE retained SET floor = ?, kept = ?", int64(max(floor, next)), int64(kept))

	return next, err
}

// oldRow is what decides whether a row stays.
type oldRow struct {
	seq, decision uint64
	service       string
	message       bool
}

func (r oldRow) stays(lines map[string]uint64) bool {
	oldest, known := lines[r.service]

	return r.message && known && r.seq >= oldest
}

// chunk reads the rows of the next decisions, and where the ones after them begin.
func (s *store) chunk(ctx context.Context, from, keep uint64) (found []oldRow, next uint64, err error) {
	rows, err := s.conn.QueryContext(ctx, `SELECT seq, decision_seq, service, message <> '' FROM records
		WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?`, int64(from), int64(keep), chunkRows)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()

	for rows.Next() {
		var row oldRow
		if err := rows.Scan(&row.seq, &row.decision, &row.service, &row.message); err != nil {
			return nil, 0, err
		}

		found = append(found, row)
	}

	if err := rows.Err(); err != nil {
		return nil, 0, err
	}

	if len(found) < chunkRows {
		return found, keep, nil
	}

	last := found[len(found)-1]
	for end := len(found); end > 0; end-- { // the last decision may go on in the next chunk
		if found[end-1].decision != last.decision {
			return found[:end], found[end-1].seq + 1, nil
		}
	}

	return found, last.seq + 1, nil
}
