package actors

import (
	"github.com/extactor/extactor/events"
)

// recorder is the base of every actor that writes history: it appends a decision and publishes the view of it. A
// decision counts only once persist has returned.
type recorder struct {
	world *world
	view  events.View
	last  uint64 // sequence of the actor's last record
}

func newRecorder(world *world, id string) recorder {
	return recorder{world: world, view: events.NewView(id)}
}

// recall brings back the last lines of what is not event-sourced: the link and the services of the host.
func (r *recorder) recall() {
	records, err := r.world.journal.Tail(r.view.ID, events.RecentLines)
	if err != nil {
		r.world.logger.Error("cannot read the history", "service", r.view.ID, "error", err)
	}

	for _, record := range records {
		r.view = r.view.Apply(record)
	}
}

// persist appends the decision; recorded and buffered both allow its effects.
func (r *recorder) persist(decision events.Decision) events.Receipt {
	receipt := r.world.journal.Append(decision)

	for _, record := range receipt.Records {
		r.view = r.view.Apply(record)
	}

	r.last = max(r.last, receipt.Last())

	if r.view.ID != "" {
		r.world.board.publish(r.view)
	}

	return receipt
}

// note persists facts that no command led to, such as those of the daemon itself. A cause of 0 says that they are root
// facts: nothing that is recorded led to them.
func (r *recorder) note(state string, cause uint64, facts ...events.Fact) {
	r.noteFrom(nil, state, cause, facts...)
}

// noteFrom persists facts that somebody has brought about.
func (r *recorder) noteFrom(origin *events.Origin, state string, cause uint64, facts ...events.Fact) {
	decision := events.Decision{Service: r.view.ID, At: r.world.clock.Now(), Cause: cause, Origin: origin}

	for _, fact := range facts {
		event := events.New(fact)
		decision.Entries = append(decision.Entries, events.Entry{Event: event, State: state, Message: events.Text(r.view.ID, event)})
	}

	r.persist(decision)
}
