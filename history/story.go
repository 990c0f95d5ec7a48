package history

import (
	"github.com/extactor/extactor/events"
)

// Select yields the records of a journal that are wanted, until yield wants no more.
type Select func(wanted events.Selection, yield func(events.Record) bool) error

// In selects among records in memory, oldest first.
func In(records []events.Record) Select {
	return func(wanted events.Selection, yield func(events.Record) bool) error {
		for i := range records {
			at := i
			if !wanted.Forward {
				at = len(records) - 1 - i
			}

			if wanted.Wants(records[at]) && !yield(records[at]) {
				break
			}
		}

		return nil
	}
}

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

// tell tells the story of a service up to a record, from the beginning of the last boot on; nil where nothing is recorded.
func (read Select) tell(id string, until uint64) (told *story, err error) {
	after, err := read.began(id, until)
	if err != nil {
		return nil, err
	}

	wanted := events.Selection{Services: []string{id}, After: after, Until: until, Silent: true, Forward: true}

	return told, read(wanted, func(record events.Record) bool {
		if told == nil {
			told = newStory(id)
		}

		told.apply(record)

		return true
	})
}

func newStory(id string) *story {
	return &story{view: events.NewView(id), waits: make(map[string]wait)}
}

// began returns after which record a service was taken over for the first time in the last boot: nothing that was before
// counts. It is 0 where only one boot is recorded.
func (read Select) began(id string, until uint64) (after uint64, err error) {
	var (
		boot  string
		first uint64
	)

	wanted := events.Selection{Services: []string{id}, Kinds: []string{"SpecLoaded"}, Until: until}

	return after, read(wanted, func(record events.Record) bool {
		loaded := record.Event.GetSpecLoaded().GetBootId()
		if first != 0 && loaded != boot {
			after = first - 1

			return false
		}

		boot, first = loaded, record.Seq

		return true
	})
}

// newest returns the newest record that is wanted; none has the sequence 0.
func (read Select) newest(wanted events.Selection) (found events.Record, err error) {
	return found, read(wanted, func(record events.Record) bool {
		found = record

		return false
	})
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
