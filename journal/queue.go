package journal

import (
	"slices"

	"github.com/extactor/extactor/events"
)

// queued is a decision on its way to the disk.
type queued struct {
	rows     []events.Record
	payloads [][]byte
	size     int
	answered bool          // its Append has returned, or is about to
	recorded bool          // valid once done is closed
	done     chan struct{} // closed with the answer
	gap      bool          // stands for decisions that were dropped
}

func (q *queued) first() uint64 { return q.rows[0].Seq }

// last is the newest sequence that the decision takes; a gap takes all that it stands for.
func (q *queued) last() uint64 {
	if q.gap {
		return q.rows[0].Event.GetGap().GetTo()
	}

	return q.rows[len(q.rows)-1].Seq
}

// rowOverhead is about what a row takes in memory beside its texts and its payload.
const rowOverhead = 400

func newQueued(rows []events.Record, payloads [][]byte) *queued {
	q := &queued{rows: rows, payloads: payloads, done: make(chan struct{})}
	for i := range rows {
		q.size += rowOverhead + 2*len(payloads[i]) + len(rows[i].Message) // #nosec G602 -- there is a payload for each row
	}

	return q
}

// renumbering says that the sequences from..to became higher by a number, because the database that appeared already
// held records with those sequences.
type renumbering struct{ from, to, by uint64 }

func (r renumbering) apply(seq uint64) uint64 {
	if seq >= r.from && seq <= r.to {
		return seq + r.by
	}

	return seq
}

func (r renumbering) row(row *events.Record) {
	row.Seq, row.Decision, row.Cause = r.apply(row.Seq), r.apply(row.Decision), r.apply(row.Cause)
}

// queue holds the decisions that are not in the database yet, in order, and gives out sequences. The first inflight of
// them are being written at this moment and must not be touched.
type queue struct {
	next       uint64 // the sequence of the next row
	decisions  []*queued
	inflight   int
	records    int
	bytes      int
	maxRecords int
	maxBytes   int
	instant    func() *events.Instant
}

func (q *queue) push(decision *queued) {
	q.decisions = append(q.decisions, decision)
	q.next = decision.last() + 1
	q.records += len(decision.rows)
	q.bytes += decision.size
}

// take marks the next decisions as being written, at most about so many rows.
func (q *queue) take(rows int) []*queued {
	for q.inflight < len(q.decisions) && rows > 0 {
		rows -= len(q.decisions[q.inflight].rows)
		q.inflight++
	}

	return slices.Clone(q.decisions[:q.inflight])
}

// drop removes the first decisions.
func (q *queue) drop(count int) {
	for _, decision := range q.decisions[:count] {
		q.records -= len(decision.rows)
		q.bytes -= decision.size
	}

	q.decisions = slices.Delete(q.decisions, 0, count)
	q.inflight = 0
}

// shrink drops the oldest decisions that are not being written until the rest fits, and puts a Gap in their place. It
// returns how many records were dropped, Gaps not counted.
func (q *queue) shrink(identity Identity) uint64 {
	from, to, dropped := uint64(0), uint64(0), uint64(0)

	for (q.records > q.maxRecords || q.bytes > q.maxBytes) && len(q.decisions)-q.inflight > 1 {
		oldest := q.decisions[q.inflight]
		if from == 0 {
			from = oldest.first()
		}

		if !oldest.gap {
			dropped += uint64(len(oldest.rows))
		}

		to = q.decisions[q.inflight+1].first() - 1
		q.records -= len(oldest.rows)
		q.bytes -= oldest.size
		q.decisions = slices.Delete(q.decisions, q.inflight, q.inflight+1)
	}

	if from == 0 {
		return 0
	}

	q.insert(q.inflight, newGap(identity, from, to, q.instant()))

	return dropped
}

// insert puts a decision where others were.
func (q *queue) insert(at int, decision *queued) {
	q.decisions = slices.Insert(q.decisions, at, decision)
	q.records += len(decision.rows)
	q.bytes += decision.size
}

// renumber raises the sequences of everything that waits.
func (q *queue) renumber(by uint64, identity Identity) renumbering {
	change := renumbering{to: q.next - 1, by: by, from: q.next}
	if len(q.decisions) > 0 {
		change.from = q.decisions[0].first()
	}

	for i, decision := range q.decisions {
		if decision.gap {
			lost := decision.rows[0].Event.GetGap()
			at := &events.Instant{WallNs: decision.rows[0].WallNS, BootNs: decision.rows[0].BootNS}
			q.decisions[i] = newGap(identity, lost.GetFrom()+by, lost.GetTo()+by, at)

			continue
		}

		decision.rows = slices.Clone(decision.rows) // receipts share the old ones
		for i := range decision.rows {
			change.row(&decision.rows[i])
		}
	}

	q.next += by

	return change
}

// newGap is the row that stands where records from..to were; it has the first of their sequences.
func newGap(identity Identity, from, to uint64, at *events.Instant) *queued {
	event := events.New(&events.Gap{From: from, To: to})
	rows := Rows(identity, from, events.Decision{
		At:      at,
		Entries: []events.Entry{{Event: event, Message: events.Text("", event)}},
	})

	bytes, err := payload(&rows[0])
	if err != nil { // two numbers always encode
		panic(err)
	}

	gap := newQueued(rows, [][]byte{bytes})
	gap.gap, gap.answered = true, true
	close(gap.done)

	return gap
}
