package journal

import (
	"context"
	"math"
	"time"

	"github.com/extactor/extactor/events"
)

// stamp is where and when a row is.
type stamp struct {
	seq            uint64 // 0: there is no row
	boot, run      string
	wallNS, bootNS int64
}

// history finds rows by their place: newest returns the one at a sequence, or the newest one before it.
type history struct {
	newest func(seq uint64) (stamp, error)
}

// stamp returns the newest row up to a sequence that is as it was written: a damaged one may say any time.
func (s *store) stamp(ctx context.Context, seq uint64) (stamp, error) {
	for limit := 1; ; limit = fewRows {
		found, err := s.read(ctx, "WHERE seq <= ? ORDER BY seq DESC LIMIT ?", signed(seq), limit)
		if err != nil || found.rows == 0 {
			return stamp{}, err
		}

		if len(found.records) > 0 {
			row := &found.records[0]

			return stamp{seq: row.Seq, boot: row.BootID, run: row.RunID, wallNS: row.WallNS, bootNS: row.BootNS}, nil
		}

		if found.first <= 1 || found.first > seq { // or in another order, which the check finds out
			return stamp{}, nil
		}

		seq = found.first - 1
	}
}

func (j *Journal) history(ctx context.Context) history {
	now := j.look(func(*events.Record) bool { return true })

	return history{newest: func(seq uint64) (stamp, error) {
		for i := len(now.pending) - 1; i >= 0; i-- {
			if row := &now.pending[i]; row.Seq <= seq {
				return stamp{seq: row.Seq, boot: row.BootID, run: row.RunID, wallNS: row.WallNS, bootNS: row.BootNS}, nil
			}
		}

		if now.store == nil {
			return stamp{}, nil
		}

		found, err := now.store.stamp(ctx, min(seq, now.committed))

		return found, j.unread(now.store, err)
	}}
}

// Boots lists the boots of which there are records, oldest first. The daemon's runs of one boot are one.
func (j *Journal) Boots(ctx context.Context) ([]events.Boot, error) { return j.history(ctx).boots() }

// Newest returns the newest record that was written up to a time of the wall clock, 0 if there is none. The wall clock may
// have jumped: the boot is found by when it must have begun by the clock as it was in the end, and within the boot it is the
// last record before a later time.
func (j *Journal) Newest(ctx context.Context, wallNS int64) (uint64, error) {
	return j.history(ctx).at(wallNS)
}

// Before returns the newest record that was written up to so long before a moment of a boot, by the boot clock where that is
// in the same boot.
func (j *Journal) Before(ctx context.Context, now events.Moment, bootID string, ago time.Duration) (uint64, error) {
	return j.history(ctx).before(now, bootID, ago)
}

func (h history) boots() ([]events.Boot, error) {
	var boots []events.Boot

	for seq := uint64(math.MaxInt64); ; {
		last, err := h.newest(seq)
		if err != nil {
			return nil, err
		}

		if last.seq == 0 {
			break
		}

		first, err := h.first(last)
		if err != nil {
			return nil, err
		}

		boots = append(boots, events.Boot{
			ID: last.boot, First: first.seq, Last: last.seq, Began: first.moment(), Ended: last.moment(),
		})
		seq = first.seq - 1
	}

	for i, k := 0, len(boots)-1; i < k; i, k = i+1, k-1 {
		boots[i], boots[k] = boots[k], boots[i]
	}

	return boots, nil
}

func (s stamp) moment() events.Moment { return events.Moment{WallNS: s.wallNS, BootNS: s.bootNS} }

// first returns the oldest row of a row's boot. The rows of a boot stand together.
func (h history) first(of stamp) (stamp, error) {
	return h.search(0, of, func(row stamp) bool { return row.boot == of.boot })
}

// search returns the oldest row after a sequence from which on all rows, up to one that is known to be so, are so.
func (h history) search(after uint64, known stamp, so func(stamp) bool) (stamp, error) {
	for after+1 < known.seq {
		row, err := h.newest(after + (known.seq-after)/2)
		if err != nil {
			return stamp{}, err
		}

		switch {
		case row.seq <= after: // nothing is there: look above
			after += (known.seq - after) / 2
		case so(row):
			known = row
		default:
			after = max(row.seq, after+(known.seq-after)/2)
		}
	}

	return known, nil
}

func (h history) at(wallNS int64) (uint64, error) {
	boots, err := h.boots()
	if err != nil {
		return 0, err
	}

	for i := len(boots) - 1; i >= 0; i-- {
		boot := boots[i]

		began := boot.Ended.WallNS - (boot.Ended.BootNS - boot.Began.BootNS)
		if min(began, boot.Began.WallNS) > wallNS && i > 0 {
			continue
		}

		if began > wallNS && boot.Began.WallNS <= wallNS && i > 0 && boots[i-1].Ended.WallNS > boot.Began.WallNS {
			continue // its clock was behind at first: that time is one of an earlier boot
		}

		return h.within(boot, func(row stamp) bool { return row.wallNS > wallNS })
	}

	return 0, nil
}

func (h history) before(now events.Moment, bootID string, ago time.Duration) (uint64, error) {
	newest, err := h.newest(math.MaxInt64)
	if err != nil || newest.seq == 0 {
		return 0, err
	}

	at := now.BootNS - ago.Nanoseconds()

	if newest.boot == bootID {
		first, err := h.first(newest)
		if err != nil {
			return 0, err
		}

		if first.bootNS <= at {
			boot := events.Boot{ID: bootID, First: first.seq, Last: newest.seq}

			return h.within(boot, func(row stamp) bool { return row.bootNS > at })
		}
	}

	return h.at(now.WallNS - ago.Nanoseconds())
}

// slack is how many records may stand in another order than that of their times: those that were decided at the same time.
const slack = 64

// within returns the newest row of a boot that is not later, 0 where all are.
func (h history) within(boot events.Boot, later func(stamp) bool) (uint64, error) {
	last, err := h.newest(boot.Last)
	if err != nil {
		return 0, err
	}

	found := boot.Last

	if later(last) {
		border, err := h.search(boot.First-1, last, later)
		if err != nil {
			return 0, err
		}

		found = border.seq - 1
	}

	for seq := min(found+slack, boot.Last); seq > found; seq-- {
		row, err := h.newest(seq)
		if err != nil {
			return 0, err
		}

		if !later(row) {
			found = row.seq

			break
		}
	}

	row, err := h.newest(found)

	return row.seq, err
}
