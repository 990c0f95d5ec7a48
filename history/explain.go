package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/extactor/extactor/events"
)

// Cause is one thing that was so, or that happened, with what led to it.
type Cause struct {
	Seq     uint64        // the record that says so; 0 where it is said of several
	Service string        // whom it is about; empty for the daemon itself
	Text    string        // what happened, as a clause without its time
	Then    string        // what became of it, to be told after the time; often empty
	At      events.Moment // when it happened, or since when it was so; zero where that is not known
	Lasting bool          // it was so from then on
	BootID  string
	Because []*Cause
}

// Explanation tells why a service was as it was at a moment.
type Explanation struct {
	Service string
	State   string
	Seq     uint64 // the last record that counts
	At      events.Moment
	BootID  string
	Cause   *Cause
}

// ErrUnknown says that nothing is recorded of a service up to that moment.
type ErrUnknown struct{ Service string }

// Error names the service.
func (e ErrUnknown) Error() string {
	return fmt.Sprintf("cannot explain service %q: nothing was recorded of it until then", e.Service)
}

// Explain tells why a service was as it was after a record: the chain of causes back to the facts that nothing recorded led
// to. What a service waits for is explained in turn. It is the first one of these ids of which anything is recorded.
//
// What is read are the records of the services that it tells of, in that boot, and those to which a chain leads.
func Explain(read Select, until uint64, ids ...string) (Explanation, error) {
	last, err := read.newest(events.Selection{Until: until, Silent: true})
	if err != nil {
		return Explanation{}, err
	}

	teller := &teller{until: last.Seq, stories: make(map[string]*story), pages: pages{read: read}, told: make(map[string]bool)}

	at := slices.IndexFunc(ids, func(id string) bool { return last.Seq != 0 && teller.story(id) != nil })

	switch {
	case teller.pages.problem != nil:
		return Explanation{}, teller.pages.problem
	case at < 0:
		return Explanation{}, ErrUnknown{Service: ids[0]}
	}

	id := ids[at]
	explanation := Explanation{
		Service: id, State: teller.story(id).view.State, Seq: last.Seq, At: moment(last), BootID: last.BootID, Cause: teller.service(id),
	}

	daemon, err := read.newest(events.Selection{Services: []string{""}, Kinds: []string{"DaemonStarted", "DaemonStopped"}, Until: last.Seq})
	if daemon.Event.GetDaemonStopped() != nil {
		explanation.Cause.Because = append([]*Cause{causeOf(daemon)}, explanation.Cause.Because...)
	}

	return explanation, cmp.Or(teller.pages.problem, err)
}

// teller tells each service once.
type teller struct {
	until   uint64 // the last record that counts
	stories map[string]*story
	pages   pages
	told    map[string]bool
}

// story is that of a service; nil where nothing is recorded of it.
func (t *teller) story(id string) *story {
	known, found := t.stories[id]
	if !found {
		var err error
		if known, err = t.pages.read.tell(id, t.until); err != nil {
			t.pages.fail(err)
		}

		t.stories[id] = known
	}

	return known
}

func (t *teller) service(id string) *Cause {
	known := t.story(id)
	cause := &Cause{
		Seq: known.entered.Seq, Service: id, Text: id + " " + stateText(known.view),
		At: moment(known.entered), BootID: known.entered.BootID, Lasting: true,
	}

	if t.told[id] {
		cause.Then = "as told before"

		return cause
	}

	t.told[id] = true

	if waiting := known.view.Waiting(); len(waiting) > 0 {
		for _, condition := range waiting {
			cause.Because = append(cause.Because, t.waits(known, condition))
		}

		cause.Because = append(cause.Because, t.ends(known)...)
	} else {
		cause.Because = t.chain(known.entered)
	}

	if known.blocked.Seq != 0 {
		cause.Because = append([]*Cause{causeOf(known.blocked)}, cause.Because...)
	}

	return cause
}

// waits tells of one condition that holds a service up.
func (t *teller) waits(known *story, condition events.ConditionView) *Cause {
	seen, reported := known.waits[condition.Key]
	cause := &Cause{Service: known.view.ID, Text: Awaits(condition), Then: "of which nothing is known yet"}

	switch {
	case !condition.Known:
		return cause
	case !reported: // only a snapshot says so
		cause.Then = "of which nothing is left in the journal"

		return cause
	}

	cause.Seq, cause.At, cause.BootID, cause.Lasting = seen.changed.Seq, moment(seen.changed), seen.changed.BootID, true
	kind, provider, _ := strings.Cut(condition.Key, ":")
	cause.Then = "which " + absence(kind, seen.ever)

	if (kind == "service" || kind == "completed") && t.story(provider) != nil {
		cause.Because = append(cause.Because, t.service(provider))
	} else {
		cause.Because = t.chain(t.before(seen.changed))
	}

	return cause
}

// ends tells of the tasks that ended before a service began to wait again.
func (t *teller) ends(known *story) []*Cause {
	if known.lastExit.Seq == 0 {
		return nil
	}

	exit := causeOf(known.lastExit)
	if known.restarts > 0 {
		exit.Because = []*Cause{{
			Service: known.view.ID, Text: restarted(known.restarts), At: known.firstExit, BootID: known.lastExit.BootID, Lasting: true,
		}}
	}

	return []*Cause{exit}
}

// chain tells what led to a record, back to a root fact, each step below the one that it led to.
func (t *teller) chain(record events.Record) []*Cause {
	var (
		first []*Cause
		below = &first
	)

	for record.Seq != 0 {
		if t.worth(record) {
			cause := causeOf(record)
			*below = []*Cause{cause}
			below = &cause.Because
		}

		if record.Event.GetRestartScheduled() == nil {
			record = t.before(record)

			continue
		}

		exit := t.before(record)

		earliest, times := t.earlier(exit)
		if exit.Seq != 0 {
			cause := causeOf(exit)
			*below = []*Cause{cause}
			below = &cause.Because
		}

		if times > 0 {
			cause := &Cause{Service: record.Service, Text: restarted(times), At: moment(earliest), BootID: earliest.BootID, Lasting: true}
			*below = []*Cause{cause}
			below = &cause.Because
		}

		record = t.before(earliest)
	}

	return first
}

// worth tells whether a record is worth telling, beside the one that led to it.
func (t *teller) worth(record events.Record) bool {
	if record.Event.GetServiceFailed() == nil {
		return shown(record)
	}

	return !ends(t.before(record)) // which says it better
}

// ends tells of the records that a task ended, or could not be started.
func ends(record events.Record) bool {
	switch record.Event.GetKind().(type) {
	case *events.Event_TaskExited, *events.Event_TaskLost, *events.Event_StartFailed:
		return true
	default:
		return false
	}
}

// earlier goes back over the ends and restarts before the end of a task, as far as one led to the next: to the first end.
func (t *teller) earlier(exit events.Record) (first events.Record, times int) {
	first = exit

	for record := t.before(exit); record.Seq != 0 && record.Service == exit.Service; record = t.before(record) {
		if record.Event.GetRestartScheduled() == nil {
			continue
		}

		if ended := t.before(record); ended.Seq != 0 {
			first, times, record = ended, times+1, ended
		}
	}

	return first, times
}

// before returns the record that led to a record: the one before it in the same decision, else the decision's cause. A
// person's command stands for itself, any other command for what led to it. There is none before a root fact, and none where
// it is no longer in the journal.
func (t *teller) before(record events.Record) events.Record {
	if record.Seq > record.Decision {
		former, found := t.pages.find(record.Seq - 1)
		if found && (former.Command == nil || person(former)) {
			return former
		}
	}

	if record.Cause == 0 || record.Command != nil && person(record) {
		return events.Record{}
	}

	cause, _ := t.pages.find(record.Cause)

	return cause
}

func person(record events.Record) bool {
	return record.Kind == "command.StartService" || record.Kind == "command.StopService" || record.Kind == "command.RestartService" ||
		record.Kind == "command.SignalService"
}

// pageRecords is how many records of a service are read for one that is asked for: what led to a record is most often one
// of the same service, not far before it.
const pageRecords = 256

// pages finds records by their sequences.
type pages struct {
	read    Select
	known   map[uint64]events.Record
	problem error
}

func (p *pages) find(seq uint64) (events.Record, bool) {
	if record, found := p.known[seq]; found {
		return record, record.Seq != 0
	}

	if p.known == nil || len(p.known) > 100*pageRecords {
		p.known = make(map[uint64]events.Record)
	}

	record, err := p.read.newest(events.Selection{Until: seq, Silent: true})
	p.fail(err)

	if record.Seq != seq {
		record = events.Record{} // it is not there
	}

	p.known[seq] = record
	if record.Seq == 0 {
		return record, false
	}

	left := pageRecords
	p.fail(p.read(events.Selection{Services: []string{record.Service}, Until: seq, Silent: true}, func(former events.Record) bool {
		p.known[former.Seq] = former
		left--

		return left > 0
	}))

	return record, true
}

// fail keeps the first problem.
func (p *pages) fail(err error) { p.problem = cmp.Or(p.problem, err) }
