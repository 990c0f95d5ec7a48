package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// tally is what of a service's rows must agree between the table and the index.
type tally struct{ rows, sum uint64 }

// structure is what every page with rows, and every page of the index, says without its content being checked.
type structure struct {
	missing uint64 // rows that retention kept of the oldest and that are not there
	indexed bool   // the index leads to every row
}

// structure reads it as it is at one moment. An error says that the table itself cannot be read.
func (s *store) structure(ctx context.Context) (structure, error) {
	// A transaction that knew of the context's end would be rolled back on the side, and the connection, with SQLite's locks,
	// could be given back only after the database was closed.
	moment, err := s.readers.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return structure{}, fmt.Errorf("cannot read the journal: %w", err)
	}
	defer moment.Rollback() //nolint:errcheck // nothing was written

	floor, kept, err := retained(ctx, moment)
	if err != nil {
		return structure{}, err
	}

	table, below, err := tallyTable(ctx, moment, floor)
	if err != nil {
		return structure{}, err
	}

	sound, err := checkTrees(ctx, moment)
	if err != nil {
		return structure{}, err
	}

	index, err := tallyIndex(ctx, moment)
	if err != nil && !unreadable(err) {
		return structure{}, fmt.Errorf("cannot read the index: %w", err)
	}

	return structure{missing: kept - min(kept, below), indexed: sound && err == nil && maps.Equal(table, index)}, nil
}

func tallyTable(ctx context.Context, moment *sql.Tx, floor uint64) (table map[string]tally, below uint64, err error) {
	sums := map[string]*tally{}
	before := int64(0)

	err = handOver(ctx, moment, func(values []driver.Value) error {
		number, _ := values[0].(int64)
		service, _ := values[1].(string) // else it is damaged, and in the index by what it was

		if number <= before { // whoever goes by the sequence may miss rows, or go in circles
			return &damageError{fmt.Errorf("record %d comes after record %d", number, before)}
		}

		before = number

		seq := uint64(number)
		if seq < floor {
			below++
		}

		sum := sums[service]
		if sum == nil {
			sum = &tally{}
			sums[strings.Clone(service)] = sum
		}

		sum.rows++
		sum.sum += seq

		return nil
	}, "SELECT hand_over(?, seq, service, crc) FROM records NOT INDEXED") // to the last column, so that each row can be read

	table = make(map[string]tally, len(sums))
	for service, sum := range sums {
		table[service] = *sum
	}

	return table, below, err
}

// checkTrees finds out whether each row is found by its sequence: who reads the table from end to end does not notice if
// not. It returns whether the index, which can be built again, is sound in itself.
func checkTrees(ctx context.Context, moment *sql.Tx) (indexed bool, err error) {
	var index int
	if err := moment.QueryRowContext(ctx, "SELECT rootpage FROM sqlite_schema WHERE name = 'records_service'").Scan(&index); err != nil {
		return false, fmt.Errorf("cannot read the journal: %w", err)
	}

	rows, err := moment.QueryContext(ctx, "PRAGMA quick_check(records)")
	if err != nil {
		return false, fmt.Errorf("cannot read the journal: %w", err)
	}
	defer rows.Close()

	for indexed = true; rows.Next(); {
		var answer string
		if err := rows.Scan(&answer); err != nil {
			return false, fmt.Errorf("cannot read the journal: %w", err)
		}

		// What is wrong with the values of a row, which it tells as well, is found by the row's checksum.
		problems, found := strings.CutPrefix(answer, "*** in database main ***\n")

		for problem := range strings.Lines(problems) {
			switch {
			case !found:
			case strings.HasPrefix(problem, fmt.Sprintf("Tree %d ", index)):
				indexed = false
			default:
				return false, &damageError{errors.New(strings.TrimSpace(problem))}
			}
		}
	}

	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("cannot read the journal: %w", err)
	}

	return indexed, nil
}

func tallyIndex(ctx context.Context, moment *sql.Tx) (map[string]tally, error) {
	rows, err := moment.QueryContext(ctx, `SELECT service, count(*), sum(seq) FROM records INDEXED BY records_service
		GROUP BY service`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	index := map[string]tally{}

	for rows.Next() {
		var (
			service string
			sum     tally
		)
		if err := rows.Scan(&service, &sum.rows, &sum.sum); err != nil {
			return nil, err
		}

		index[service] = sum
	}

	return index, rows.Err()
}

// retained returns below which sequence rows were deleted, and how many are left there.
func retained(ctx context.Context, from querier) (floor, kept uint64, err error) {
	err = from.QueryRowContext(ctx, "SELECT floor, kept FROM retained").Scan(&floor, &kept)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // then nothing is known to be deleted
		return 0, 0, fmt.Errorf("cannot read the journal: %w", err)
	}

	return floor, kept, nil
}

// reindex builds the index again from the table. Until that is done, queries do without it.
func (s *store) reindex(ctx context.Context) error {
	s.unindexed.Store(true)

	s.writing.Lock()
	defer s.writing.Unlock()

	if _, err := s.conn.ExecContext(ctx, "REINDEX records_service"); err != nil {
		return fmt.Errorf("cannot build the index again: %w", err)
	}

	s.unindexed.Store(false)

	return nil
}
