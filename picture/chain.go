package picture

import (
	"slices"

	"github.com/extactor/extactor/events"
)

// Link is one step of the critical path: what took the time from From to To.
type Link struct {
	ID        string // of the service, or key of the condition
	Condition bool
	From, To  int64
	Retries   int  // failed tries within this time
	Open      bool // it had not come by To, the end of the boot
}

// Last is the id of the service that came up last in the boot; empty where none did.
func (b Boot) Last() string {
	last, settled := "", b.Settled()

	for _, row := range b.Rows {
		if row.Up == settled && !row.Condition {
			last = row.ID
		}
	}

	return last
}

// Critical is the chain of dependencies that determined when a service came up, root first: each link began when the one
// before it ended. For a service that is not up, it is the chain that it still waits for.
func (b Boot) Critical(id string) []Link {
	row := b.service(id)
	if row == nil {
		return nil
	}

	chain := b.walk(row, row.Up, map[string]bool{})
	slices.Reverse(chain)

	return chain
}

// walk returns the links that end at a moment with what a row did, the last one first.
func (b Boot) walk(row *Row, until int64, seen map[string]bool) []Link {
	seen[row.ID] = true

	begun := b.Begin
	if len(row.Spans) > 0 {
		begun = row.Spans[0].From
	}

	own := Link{ID: row.ID, Condition: row.Condition, From: begun, To: until}
	if until == Never {
		own.To, own.Open = b.End, true
	}

	if row.Condition {
		return []Link{own}
	}

	key, since := row.determinant(own.To)
	if own.Open && row.Ready == Never && key != "" && since == Never {
		return b.open(row, own, key, seen)
	}

	if key == "" || since <= begun {
		return b.tries(row, own)
	}

	own.From = since

	return append(b.tries(row, own), b.behind(key, since, seen)...)
}

// tries counts what failed within a link.
func (b Boot) tries(row *Row, link Link) []Link {
	for _, span := range row.Spans {
		if span.Phase == PhaseRetry && span.From >= link.From && span.From < link.To {
			link.Retries++
		}
	}

	return []Link{link}
}

// open continues with what a service waits for that never came.
func (b Boot) open(row *Row, own Link, key string, seen map[string]bool) []Link {
	if held := row.lastMet(own.To); held > own.From {
		own.From = held
	}

	needed := b.needed(key)
	if needed == nil || seen[needed.ID] {
		return []Link{own}
	}

	chain := b.walk(needed, needed.until(key, b.End), seen)

	own.From = chain[0].To // all of its time was the other's

	return append([]Link{own}, chain...)
}

// behind is what made a condition become met at a moment.
func (b Boot) behind(key string, at int64, seen map[string]bool) []Link {
	needed := b.needed(key)
	if needed == nil || seen[needed.ID] {
		return nil
	}

	return b.walk(needed, at, seen)
}

// needed is the row of a condition: its own, or that of the service it is about.
func (b Boot) needed(key string) *Row {
	if id := serviceOf(key); id != "" {
		return b.service(id)
	}

	return b.condition(key)
}

// until is when a row satisfied a condition, at the latest at a moment; Never if it did not.
func (r *Row) until(key string, latest int64) int64 {
	at := r.Up
	if kind := "completed:"; len(key) > len(kind) && key[:len(kind)] == kind {
		at = r.Done
	}

	if at == Never || at > latest {
		return Never
	}

	return at
}

// determinant is the condition that held a service up the longest before its first start: the one that became met last,
// and when; or one that never did, with Never. It is empty where nothing held the service up.
func (r *Row) determinant(until int64) (key string, since int64) {
	limit := until
	if r.Ready != Never {
		limit = min(limit, r.Ready)
	}

	for _, condition := range r.depends {
		at, waited := metAt(r.met[condition], limit)

		switch {
		case at == Never && r.Ready == Never && !r.started():
			return condition, Never
		case at != Never && waited && at > since:
			key, since = condition, at
		}
	}

	return key, since
}

// started tells whether it was up at all, whoever started it.
func (r *Row) started() bool {
	return slices.ContainsFunc(r.Spans, func(span Span) bool { return span.Phase == events.StateRunning || span.Phase == PhaseHealth })
}

func (r *Row) lastMet(limit int64) int64 {
	last := Never

	for _, condition := range r.depends {
		if at, waited := metAt(r.met[condition], limit); waited {
			last = max(last, at)
		}
	}

	return last
}

// metAt is when a condition became met for the last time up to a limit, and whether it was unmet before. A condition
// that was lost again is as good as never met.
func metAt(changes []change, limit int64) (at int64, waited bool) {
	at = Never

	for _, change := range changes {
		if change.at > limit {
			break
		}

		switch {
		case !change.met:
			at, waited = Never, true
		case at == Never:
			at = change.at
		}
	}

	return at, waited
}
