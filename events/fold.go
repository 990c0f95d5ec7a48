package events

import (
	"cmp"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"
)

// Past is how everything was after one record of the journal.
type Past struct {
	Seq      uint64          // the record; 0 before the first one
	At       Moment          // its time
	BootID   string          // the boot in which that was
	RunID    string          // the run of the daemon
	Stopped  bool            // that run has ended with it: nothing was supervised until the next one
	Views    []View          // the services there were, sorted by id
	Rejected []*SpecRejected // files that had problems, sorted by name
	Before   uint64          // records before this one were deleted, so that something may be missing; 0 where nothing is
}

// Boot is what is recorded of one boot of the machine.
type Boot struct {
	ID           string // kernel boot id
	First, Last  uint64 // sequences
	Began, Ended Moment // of the first and the last record
}

// Fold folds the records of all services, in order. Its zero value is the beginning of a journal. It gives the same views
// as View.Apply does, record by record, but does not make a new one for each.
type Fold struct {
	past     Past
	services map[string]*folding
	rejected map[string]*SpecRejected
}

// folding is one service on its way.
type folding struct {
	view    View
	lines   []Line // the last of them are View.Recent
	run     string // in which its last record was written
	removed bool
}

// Apply folds the next record.
func (f *Fold) Apply(record Record) {
	if f.past.RunID != record.RunID {
		f.past.Stopped, f.rejected = false, nil
	}

	f.past.Seq, f.past.RunID, f.past.BootID = record.Seq, record.RunID, record.BootID
	f.past.At = Moment{WallNS: record.WallNS, BootNS: record.BootNS}

	if record.Service == "" {
		f.daemon(record.Event)

		return
	}

	f.service(record.Service).apply(record)
}

// Begin begins a service with a snapshot of all that its view keeps, and the lines before that, oldest first.
func (f *Fold) Begin(snapshot Record, lines []Record) {
	service := &folding{view: NewView(snapshot.Service)}

	for _, line := range lines {
		service.apply(Record{
			Seq: line.Seq, BootID: line.BootID, State: line.State, Message: line.Message, WallNS: line.WallNS, BootNS: line.BootNS,
		})
	}

	service.apply(snapshot)

	if f.services == nil {
		f.services = make(map[string]*folding)
	}

	f.services[snapshot.Service] = service
}

// Doubt says that records before a sequence are gone that would have told how things were.
func (f *Fold) Doubt(before uint64) { f.past.Before = max(f.past.Before, before) }

// End says which record the last one is, where its service is one that need not be folded.
func (f *Fold) End(last Record) {
	f.past.Seq, f.past.RunID, f.past.BootID = last.Seq, last.RunID, last.BootID
	f.past.At = Moment{WallNS: last.WallNS, BootNS: last.BootNS}
}

// Past returns how everything is after the last record: the services that the last run of the daemon has, or had.
func (f *Fold) Past() Past {
	past := f.Last()

	for id := range f.Present() {
		past.Views = append(past.Views, f.services[id].now())
	}

	slices.SortFunc(past.Views, func(a, b View) int { return cmp.Compare(a.ID, b.ID) })

	return past
}

// Last is Past without the views, which takes no time worth mentioning.
func (f *Fold) Last() Past {
	past := f.past

	for _, rejected := range f.rejected {
		past.Rejected = append(past.Rejected, rejected)
	}

	slices.SortFunc(past.Rejected, func(a, b *SpecRejected) int { return cmp.Compare(a.GetFile(), b.GetFile()) })

	return past
}

// Present yields the ids of the views of Past, in no order, each with the sequence of its last record.
func (f *Fold) Present() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for id, service := range f.services {
			if service.run == f.past.RunID && !service.removed && !yield(id, service.view.Revision) {
				return
			}
		}
	}
}

// View returns one service as it is after the last record, also one that is not there any more.
func (f *Fold) View(id string) (View, bool) {
	service := f.services[id]
	if service == nil {
		return View{}, false
	}

	return service.now(), true
}

// Glance returns one service as it is after the last record, without its lines, which take most of the time, and tells
// whether Past has it.
func (f *Fold) Glance(id string) (view View, present bool) {
	service := f.services[id]
	if service == nil {
		return NewView(id), false
	}

	return service.view, service.run == f.past.RunID && !service.removed
}

func (f *Fold) service(id string) *folding {
	service := f.services[id]
	if service == nil {
		if f.services == nil {
			f.services = make(map[string]*folding)
		}

		service = &folding{view: NewView(id)}
		f.services[id] = service
	}

	return service
}

// daemon folds what is the daemon's own.
func (f *Fold) daemon(event *Event) {
	switch kind := event.GetKind().(type) {
	case *Event_DaemonStopped:
		f.past.Stopped = true
	case *Event_SpecRejected:
		f.reject(kind.SpecRejected)
	}
}

// reject follows the files that have problems: one without any has none any more.
func (f *Fold) reject(rejected *SpecRejected) {
	if len(rejected.GetProblems()) == 0 {
		delete(f.rejected, rejected.GetFile())

		return
	}

	if f.rejected == nil {
		f.rejected = make(map[string]*SpecRejected)
	}

	f.rejected[rejected.GetFile()] = proto.CloneOf(rejected)
}

func (f *folding) apply(record Record) {
	if record.Message != "" {
		f.add(Line{
			Seq: record.Seq, State: record.State, Message: record.Message,
			At: Moment{WallNS: record.WallNS, BootNS: record.BootNS}, BootID: record.BootID,
		})

		record.Message = ""
	}

	f.view = f.view.Apply(record)
	f.run = record.RunID

	_, removed := record.Event.GetKind().(*Event_ServiceRemoved)
	f.removed = removed
}

// add keeps up to twice as many lines as are shown, so that they are seldom moved.
func (f *folding) add(line Line) {
	if len(f.lines) == 2*RecentLines {
		f.lines = append(f.lines[:0], f.lines[RecentLines+1:]...)
	}

	f.lines = append(f.lines, line)
}

func (f *folding) now() View {
	view := f.view
	if len(f.lines) > 0 {
		view.Recent = slices.Clone(f.lines[max(0, len(f.lines)-RecentLines):])
	}

	return view
}
