package journal

import "context"

const (
	damagedReason = "a record is damaged and left out"
	missingReason = "records are missing within the journal"
	keptReason    = "records are missing among those that were kept of the oldest"
)

// recentChecked is how many of the newest rows are checked before the journal is used: about what a crash can leave in the
// write-ahead log, which is moved into the database every checkpointRows.
const recentChecked = checkpointRows

// sweep follows rows in order and finds what is damaged or missing among them.
type sweep struct {
	first   uint64 // the first row
	at      uint64 // the newest row
	last    uint64 // up to here nothing is missing, or it was said; beyond the newest row where that is a Gap
	whole   bool   // something may be missing before the first row, from last on
	run     string // who wrote the newest row
	damaged []Loss
	missing []Loss
}

// row takes the next row.
func (w *sweep) row(row *row) {
	record := &row.record

	if (w.first > 0 || w.whole) && record.Seq > w.last+1 {
		w.missing = append(w.missing, Loss{From: w.last + 1, To: record.Seq - 1, Reason: missingReason})
	}

	if w.first == 0 {
		w.first = record.Seq
	}

	w.at, w.last = record.Seq, max(w.last, record.Seq)

	if row.damage != nil {
		w.damaged = append(w.damaged, Loss{From: record.Seq, To: record.Seq, Reason: damagedReason})

		return
	}

	w.run = record.RunID

	if record.Kind == "Gap" && row.decode() == nil {
		w.last = max(w.last, record.Event.GetGap().GetTo())
	}
}

// losses returns what was found since the last call. Rows below the floor are not missing: retention took them.
func (w *sweep) losses(floor uint64) []Loss {
	losses := w.damaged

	for _, loss := range w.missing {
		if loss.From = max(loss.From, floor); loss.From <= loss.To {
			losses = append(losses, loss)
		}
	}

	w.damaged, w.missing = nil, nil

	return losses
}

// take lets the sweep follow the rows that a condition names.
func (s *store) take(ctx context.Context, w *sweep, condition string, arguments ...any) (taken int, err error) {
	err = s.gather(ctx, func(row *row) error {
		taken++
		w.row(row)

		return nil
	}, condition, arguments...)

	return taken, err
}

// recent checks the newest rows.
func (s *store) recent() (*sweep, []Loss, error) {
	newest := &sweep{}

	_, err := s.take(context.Background(), newest, "WHERE seq > (SELECT max(seq) FROM records) - ? ORDER BY seq", recentChecked)
	if err != nil {
		return nil, nil, err
	}

	floor, _, err := retained(context.Background(), s.readers)
	if err != nil {
		return nil, nil, err
	}

	return newest, newest.losses(floor), nil
}
