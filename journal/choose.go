package journal

import (
	"context"
	"slices"
	"strings"

	"github.com/extactor/extactor/events"
)

// Select yields the records that are wanted, newest first unless they are wanted the other way round, those in memory
// included, until yield returns false. What the database can tell by its columns is not read.
func (j *Journal) Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	now := j.look(func(row *events.Record) bool { return wanted.Wants(*row) })

	pending := func() bool {
		if !wanted.Forward {
			slices.Reverse(now.pending)
		}

		return !slices.ContainsFunc(now.pending, func(record events.Record) bool { return !yield(record) })
	}

	if !wanted.Forward && !pending() {
		return nil
	}

	if now.store != nil {
		more, err := now.store.choose(ctx, wanted, now.committed, j.report, yield)
		if err != nil || !more {
			return j.unread(now.store, err)
		}
	}

	if wanted.Forward {
		pending()
	}

	return nil
}

// Few rows are read at first, because most often few are wanted, and then more and more.
const (
	fewRows  = 16
	moreRows = 4
)

// choose yields the wanted rows up to a sequence, and tells whether yield wanted them all.
func (s *store) choose(ctx context.Context, wanted events.Selection, until uint64, report func(page), yield func(events.Record) bool) (bool, error) {
	conditions, arguments := columnsOf(wanted)
	after := wanted.After

	if wanted.Until != 0 {
		until = min(until, wanted.Until)
	}

	order := " ORDER BY seq DESC LIMIT ?"
	if wanted.Forward {
		order = " ORDER BY seq LIMIT ?"
	}

	for limit := fewRows; ; limit = min(moreRows*limit, eachRows) {
		found, err := s.read(ctx, "WHERE "+conditions+order, append(arguments, signed(after), signed(until), limit)...)
		if err != nil {
			return false, err
		}

		report(found)

		for _, record := range found.records {
			if wanted.Wants(record) && !yield(record) {
				return false, nil
			}
		}

		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case found.rows < limit || found.first == 0:
			return true, nil
		case wanted.Forward:
			after = found.last
		default:
			until = found.first - 1
		}
	}
}

// columnsOf is what a selection says of the columns; after and until follow.
func columnsOf(wanted events.Selection) (conditions string, arguments []any) {
	in := func(column string, texts []string) {
		if len(texts) == 0 {
			return
		}

		if len(texts) > 1 {
			column = "+" + column // several parts of an index are in no order
		}

		conditions += column + " IN (?" + strings.Repeat(", ?", len(texts)-1) + ") AND "

		for _, text := range texts {
			arguments = append(arguments, text)
		}
	}

	in("service", wanted.Services)
	in("kind", wanted.Kinds)

	if len(wanted.Kinds) == 0 && !wanted.Silent {
		conditions += "message <> '' AND "
	}

	if wanted.Boot != "" {
		conditions += "boot = ? AND "
		arguments = append(arguments, wanted.Boot)
	}

	return conditions + "seq > ? AND seq <= ?", arguments
}
