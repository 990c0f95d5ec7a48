package history

import (
	"github.com/extactor/extactor/events"
)

// Records yields all records of all services after a sequence, up to another, in order, until yield wants no more.
type Records func(after, until uint64, yield func(events.Record) bool) error

// story is what a service went through, as far as it tells where it stands.
type story struct {
	view      events.View
	entered   events.Record   // that brought the service where it is
	waits     map[string]wait // by the key of a condition
	lastExit  events.Record   // of a task, or of a start that failed
	restarts  int             // by the restart policy, since it began anew
	firstExit events.Moment   // the first one of them
	blocked   events.Record   // the newest record that its program failed in the daemon
}

// wait is what was last reported of a condition.
type wait struct {
	changed events.Record // when it became met or unmet
	met     bool
	ever    bool // it was met before, in this boot
}

// past is everything at one moment.
type past struct {
	stories map[string]*story
	at      events.Record // the last record
	stopped events.Record // the end of the daemon, where none has started since
}

func (p *past) apply(record events.Record) {
	p.at = record

	if record.Service == "" {
		switch record.Event.GetKind().(type) {
		case *events.Event_DaemonStopped:
			p.stopped = record
		case *events.Event_DaemonStarted:
			p.stopped = events.Record{}
		}

		return
	}

	known := p.stories[record.Service]
	if known == nil {
		known = &story{view: events.NewView(record.Service), waits: make(map[string]wait)}
		p.stories[record.Service] = known
	}

	known.apply(record)
}

func (s *story) apply(record events.Record) {
	before := s.view

	s.view = s.view.Apply(without(record))

	if s.entered.Seq == 0 || s.view.State != before.State || enters(record) {
		s.entered = record
	}

	switch kind := record.Event.GetKind().(type) {
	case *events.Event_SpecLoaded:
		if before.BootID != s.view.BootID { // a new boot begins a new life
			s.waits, s.lastExit, s.restarts = make(map[string]wait), events.Record{}, 0
		}

		s.blocked = events.Record{}
	case *events.Event_AttemptBegan:
		s.restarts, s.lastExit = 0, events.Record{}
	case *events.Event_RestartScheduled:
		s.restarts++
		if s.restarts == 1 {
			s.firstExit = moment(record)
		}
	case *events.Event_TaskExited, *events.Event_TaskLost:
		s.lastExit = record
	case *events.Event_StartFailed:
		if !kind.StartFailed.GetCancelled() {
			s.lastExit = record
		}
	case *events.Event_ServiceQuarantined:
		s.blocked = record
	case *events.Event_ConditionChanged:
		s.see(record, kind.ConditionChanged)
	}
}

// without is the record without its line of EVENTS, which a view would keep.
func without(record events.Record) events.Record {
	record.Message = ""

	return record
}

// enters tells of the records that bring a service anew where it may have been already.
func enters(record events.Record) bool {
	switch record.Event.GetKind().(type) {
	case *events.Event_AttemptBegan, *events.Event_RestartScheduled, *events.Event_RuntimeConnected,
		*events.Event_RuntimeDisconnected, *events.Event_HostChanged, *events.Event_JournalChanged:
		return true
	default:
		return false
	}
}

func (s *story) see(record events.Record, changed *events.ConditionChanged) {
	known, reported := s.waits[changed.GetKey()]
	if reported && known.met == changed.GetMet() {
		return
	}

	known.changed, known.met, known.ever = record, changed.GetMet(), known.ever || known.met
	s.waits[changed.GetKey()] = known
}

func moment(record events.Record) events.Moment {
	return events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}
}
