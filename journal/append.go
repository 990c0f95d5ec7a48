package journal

import (
	"time"

	"github.com/extactor/extactor/events"
)

// Append gives the decision's rows their sequence and writes them. It returns Recorded when they are in the write-ahead
// log, or, at once while degraded and after a second otherwise, Buffered: then they are in memory, and are written in
// order with the same sequences when the disk is back. Sequences that were given out before the database was first found
// are provisional: they are raised if it turns out to hold records already.
//
// The caller must not change the decision's messages afterwards. A decision without command and entries has no rows and
// needs no answer.
func (j *Journal) Append(decision events.Decision) events.Receipt {
	rows := Rows(j.options.Identity, 0, decision)
	if len(rows) == 0 {
		return events.Receipt{}
	}

	payloads := make([][]byte, len(rows))
	for i := range rows {
		bytes, err := payload(&rows[i])
		if err != nil { // only text that is not UTF-8 can do this; the row's columns stay true
			j.log.Error().Err(err).Str("service", decision.Service).Msg("journal: a record is kept without its payload")

			bytes = []byte{}
		}

		payloads[i] = bytes
	}

	waiting := newQueued(rows, payloads)
	j.enqueue(waiting)
	j.signal()
	j.await(waiting)

	outcome := events.Buffered
	if waiting.recorded {
		outcome = events.Recorded
	}

	return events.Receipt{Outcome: outcome, Records: rows}
}

// enqueue gives the rows their sequences. While degraded it answers at once.
func (j *Journal) enqueue(decision *queued) {
	j.mu.Lock()
	defer j.mu.Unlock()

	first := j.queue.next
	for i := range decision.rows {
		row := &decision.rows[i]
		row.Seq, row.Decision = first+uint64(i), first

		for _, change := range j.moved {
			row.Cause = change.apply(row.Cause)
		}
	}

	j.queue.push(decision)

	if j.reason == "" && !j.closed {
		return
	}

	decision.answer(false)

	j.shrink()
	j.show(decision.last())
}

// shrink makes the queue fit its bounds; the lock is held.
func (j *Journal) shrink() {
	dropped := j.queue.shrink(j.options.Identity)
	if dropped == 0 {
		return
	}

	if j.lost == 0 { // the first is news, each further one is only a number
		defer j.announce()
	}

	j.lost += dropped
	j.snapshotsOwed = true
}

// await blocks until the decision has an answer, and degrades the journal if that takes too long.
func (j *Journal) await(decision *queued) {
	timer := time.NewTimer(j.options.patience)
	defer timer.Stop()

	select {
	case <-decision.done:
		return
	case <-timer.C:
	}

	j.degradeIf("the disk gives no answer", func() bool { return !decision.answered })
	<-decision.done
}

// answer says how the append ended; the lock is held. Only the first answer counts.
func (q *queued) answer(recorded bool) {
	if q.answered {
		return
	}

	q.answered, q.recorded = true, recorded
	close(q.done)
}

// degrade answers everyone who waits and makes further appends return at once.
func (j *Journal) degrade(reason string) {
	j.degradeIf(reason, func() bool { return true })
}

// degradeIf degrades the journal if that is so when the lock is held.
func (j *Journal) degradeIf(reason string, so func() bool) {
	j.mu.Lock()
	defer j.mu.Unlock()

	if !so() {
		return
	}

	for _, decision := range j.queue.decisions {
		decision.answer(false)
	}

	j.shrink()
	j.show(j.queue.next - 1)

	if j.reason == reason {
		return
	}

	j.log.Warn().Str("path", j.path()).Msg("journal: degraded: " + reason)
	if j.reason == "" {
		j.since = j.options.Now()
	}

	j.reason = reason
	j.announce()
}

// show lets readers see everything up to a sequence; the lock is held.
func (j *Journal) show(seq uint64) {
	if seq > j.visible {
		j.visible = seq
		j.publish()
	}
}

// publish wakes readers; the lock is held.
func (j *Journal) publish() {
	if j.published != nil {
		close(j.published)
		j.published = nil
	}
}
