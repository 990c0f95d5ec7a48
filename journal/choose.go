package journal

import (
	"context"
	"math"
	"strings"

	"github.com/extactor/extactor/events"
)

// Select yields the records that are wanted, newest first, those in memory included, until yield returns false. What the
// database can tell by its columns is not read.
func (j *Journal) Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	now := j.look(func(row *events.Record) bool { return wanted.Wants(*row) })

	for i := len(now.pending) - 1; i >= 0; i-- {
		if !yield(now.pending[i]) {
			return nil
		}
	}

	if now.store == nil {
		return nil
	}

	until := now.committed
	if wanted.Until != 0 {
		until = min(until, wanted.Until)
	}

	_, err := now.store.choose(ctx, wanted, until, j.report, yield)

	return j.unread(now.store, err)
}

// choose yields the wanted rows up to a sequence (0: all), newest first, and tells whether yield wanted them all.
func (s *store) choose(ctx context.Context, wanted events.Selection, until uint64, report func(page), yield func(events.Record) bool) (bool, error) {
	if until == 0 {
		until = math.MaxInt64
	}

	conditions, arguments := columnsOf(wanted)

	for {
		found, err := s.read(ctx, "WHERE "+conditions+" ORDER BY seq DESC LIMIT ?", append(arguments, signed(until), pageRows)...)
		if err != nil {
			return false, err
		}

		report(found)

		for _, record := range found.records {
			if wanted.Wants(record) && !yield(record) {
				return false, nil
			}
		}

		if err := ctx.Err(); err != nil {
			return false, err
		}

		if found.rows < pageRows || found.first == 0 {
			return true, nil
		}

		until = found.first - 1
	}
}

// columnsOf is what a selection says of the columns, the newest sequence last.
func columnsOf(wanted events.Selection) (conditions string, arguments []any) {
	conditions = "seq > ?"
	arguments = []any{signed(wanted.After)}

	for column, texts := range map[string][]string{"service": wanted.Services, "kind": wanted.Kinds} {
		if len(texts) == 0 {
			continue
		}

		conditions += " AND " + column + " IN (?" + strings.Repeat(", ?", len(texts)-1) + ")"

		for _, text := range texts {
			arguments = append(arguments, text)
		}
	}

	if len(wanted.Kinds) == 0 {
		conditions += " AND message <> ''"
	}

	if wanted.Boot != "" {
		conditions += " AND boot = ?"
		arguments = append(arguments, wanted.Boot)
	}

	return conditions + " AND seq <= ?", arguments
}
