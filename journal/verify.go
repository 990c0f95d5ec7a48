package journal

import (
	"context"
	"fmt"

	"github.com/extactor/extactor/events"
)

// Verification is what reading every record found out.
type Verification struct {
	Records  uint64
	Unknown  uint64   // of kinds that this version has no name for; they are kept, with their state and message
	Problems []string // what is damaged or missing, in plain words
}

// Verify reads every record.
func (r *Reader) Verify(ctx context.Context) (Verification, error) {
	found := Verification{Problems: append([]string{}, r.problems...)}

	err := r.store.gather(ctx, func(row *row) error {
		found.Records++

		damage, record := row.decode(), &row.record

		switch {
		case damage != nil:
			found.Problems = append(found.Problems, damage.Error())
		case record.Event == nil && record.Command == nil:
			found.Unknown++
		case record.Event.GetGap() != nil:
			gap := record.Event.GetGap()
			found.Problems = append(found.Problems, fmt.Sprintf("records %d to %d were lost when they were written", gap.GetFrom(), gap.GetTo()))
		}

		return nil
	}, "ORDER BY seq")

	return found, err
}

// Summary is what a journal holds, as far as that is known without reading every record.
type Summary struct {
	Schema   int64 // version
	Floor    uint64
	First    uint64 // sequence of the oldest record, 0 where there is none
	Last     uint64
	Bytes    int64
	Services []string
	Boots    []events.Boot
}

// Summary tells it.
func (r *Reader) Summary(ctx context.Context) (Summary, error) {
	found := Summary{Floor: r.floor, Last: r.newest.seq}

	var err error
	if found.First, _, err = r.store.bounds(0); err != nil {
		return found, err
	}

	if found.Bytes, err = r.store.bytes(); err != nil {
		return found, err
	}

	if found.Services, err = r.Services(); err != nil {
		return found, err
	}

	found.Boots, err = r.Boots(ctx)
	found.Schema = r.schema

	return found, err
}
