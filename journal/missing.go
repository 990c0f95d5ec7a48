package journal

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// survey finds out what is missing.
func (r *Reader) survey(path string) error {
	ctx := context.Background()

	var err error
	if r.newest, err = r.store.stamp(ctx, math.MaxInt64); err != nil {
		return err
	}

	if r.floor, _, err = retained(ctx, r.store.readers); err != nil {
		return err
	}

	holes, err := r.store.holes(ctx, r.floor)
	if err != nil {
		return err
	}

	for _, hole := range holes {
		r.problems = append(r.problems, hole.text("are missing"))
	}

	if synced := readHead(filepath.Join(filepath.Dir(path), headName)); filepath.Base(path) == databaseName && synced > r.newest.seq {
		lost := Loss{From: r.newest.seq + 1, To: synced}
		r.problems = append(r.problems, lost.text("were written to the disk once and are missing at the end"))
	}

	return nil
}

func (l Loss) text(what string) string {
	if l.From == l.To {
		return fmt.Sprintf("record %d %s", l.From, strings.Replace(strings.Replace(what, "are", "is", 1), "were", "was", 1))
	}

	return fmt.Sprintf("records %d to %d %s", l.From, l.To, what)
}

// holes lists the sequences from one on that are not there, at most 100 ranges of them; some are those that a Gap stands for.
func (s *store) holes(ctx context.Context, floor uint64) ([]Loss, error) {
	var rows, first, last int64

	err := s.readers.QueryRowContext(ctx, "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM records NOT INDEXED WHERE seq >= ?",
		signed(floor)).Scan(&rows, &first, &last)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}

	var holes []Loss

	if floor <= 1 && first > 1 {
		holes = append(holes, Loss{From: 1, To: uint64(first) - 1})
	}

	if last-first+1 == rows || rows == 0 {
		return holes, nil
	}

	found, err := s.readers.QueryContext(ctx, `SELECT before + 1, seq - 1 FROM
		(SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM records NOT INDEXED WHERE seq >= ?) WHERE seq > before + 1 LIMIT ?`,
		signed(floor), maxLosses)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal: %w", err)
	}
	defer found.Close()

	for found.Next() {
		var hole Loss
		if err := found.Scan(&hole.From, &hole.To); err != nil {
			return nil, fmt.Errorf("cannot read the journal: %w", err)
		}

		holes = append(holes, hole)
	}

	return holes, found.Err()
}
