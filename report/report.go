package report

import (
	"cmp"
	"slices"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/picture"
)

// Heading is what a page says of itself.
type Heading struct {
	Node    string   `json:"node"`    // name of the machine; empty where it is not known
	Source  string   `json:"source"`  // where the records were read: the file, or the daemon's socket
	Version string   `json:"version"` // of extactor
	WallNS  int64    `json:"-"`       // when the page was made
	AfterNS int64    `json:"-"`       // from the last record to the moment with which the page ends
	Missing []string `json:"missing"` // what is not in it that was, or may have been, recorded
}

// Logs are lines as services printed them, by service; they stand for the end of the report.
type Logs map[string][]string

// Report collects records for a page. All records of a journal are to be added, in order, also those from before the moment
// at which the page begins: they tell how things were then.
type Report struct {
	first uint64 // the page begins with this record
	fold  events.Fold
	why   history.Course
	run   string

	begun    bool
	before   int // rows that are lines from before the page begins
	rows     []row
	texts    dictionary // what rows say
	values   dictionary // what cells hold
	boots    []boot
	services map[string]*service
	order    []string         // of services as they were met
	awaited  map[string]*cell // conditions that are no services, by key, from the first time on that somebody waited for one
	keys     []string         // of these, as they were met
	own      *service         // the daemon itself
	lost     []string         // what Gap records say
}

// row is one record, or, before the page begins, one line of EVENTS. Texts are indexes of the dictionary.
type row struct {
	seq, cause, decision, attempt uint64
	at                            events.Moment
	boot                          int // index
	service, kind, state, message int
	roles                         history.Role
	told                          int // what it says in a chain of causes; 0: its message
}

// boot is one boot of the machine as far as the page has it.
type boot struct {
	id    string
	first int   // index of a row
	zero  int64 // wall clock in nanoseconds when the boot clock was zero, as it was at the last record
}

// New returns a report that begins with a record of this sequence, or with the one that follows where there is none.
func New(first uint64) *Report {
	report := &Report{first: first, services: map[string]*service{}, awaited: map[string]*cell{}, own: newService()}
	report.texts.index("")
	report.values.index(here{})

	return report
}

// Add adds the next record.
func (r *Report) Add(record events.Record) {
	r.fold.Apply(record)
	r.why.Apply(record)

	id := record.Service
	if id != "" && r.services[id] == nil {
		r.services[id] = newService()
		r.order = append(r.order, id)
	}

	if id != "" {
		r.services[id].follow(record.Event)
	}

	if record.Seq < r.first {
		return
	}

	begins := !r.begun
	if begins {
		r.begin()
	}

	index := r.append(record)
	r.await(index, record.Event.GetConditionChanged())

	if gap := record.Event.GetGap(); gap != nil {
		r.lost = append(r.lost, record.Message)
	}

	switch {
	case begins || r.run != record.RunID: // services that the new run does not have are gone
		for _, known := range r.order {
			r.note(index, known)
		}

		r.noteOwn(index)
	case id == "":
		r.noteOwn(index)
	default:
		r.note(index, id)
	}

	r.run = record.RunID
}

// await follows the conditions, as they are drawn in a plot.
func (r *Report) await(index int, changed *events.ConditionChanged) {
	if row := r.rows[index]; r.boots[row.boot].first == index { // a new boot begins without them
		for _, known := range r.awaited {
			known.turn(index, r.values.index(""))
		}
	}

	key := changed.GetKey()
	if changed == nil || picture.OfService(key) {
		return
	}

	known := r.awaited[key]

	switch {
	case known == nil && changed.GetMet():
		return // nobody waited for it
	case known == nil:
		known = &cell{}
		r.awaited[key] = known
		r.keys = append(r.keys, key)
	}

	phase := picture.PhaseUnmet
	if changed.GetMet() {
		phase = picture.PhaseMet
	}

	known.turn(index, r.values.index(string(phase)))
}

// Rows is how many records the page has, without the lines from before it begins.
func (r *Report) Rows() int { return len(r.rows) - r.before }

// Services is how many services the page has.
func (r *Report) Services() int { return len(r.order) }

// End is the last record, without its content.
func (r *Report) End() events.Record {
	past := r.fold.Last()

	return events.Record{Seq: past.Seq, BootID: past.BootID, RunID: past.RunID, WallNS: past.At.WallNS, BootNS: past.At.BootNS}
}

// begin puts the lines that services still show from before the page in front.
func (r *Report) begin() {
	r.begun = true

	var earlier []events.Record

	for _, id := range r.order {
		view, _ := r.fold.View(id)
		for _, line := range view.Recent {
			if line.Seq < r.first {
				earlier = append(earlier, events.Record{
					Seq: line.Seq, Service: id, State: line.State, Message: line.Message, BootID: line.BootID, WallNS: line.At.WallNS, BootNS: line.At.BootNS,
					Decision: line.Seq,
				})
			}
		}
	}

	slices.SortFunc(earlier, func(a, b events.Record) int { return cmp.Compare(a.Seq, b.Seq) })

	for _, record := range earlier {
		r.append(record)
	}

	r.before = len(earlier)
}

func (r *Report) append(record events.Record) int {
	last := len(r.boots) - 1
	if last < 0 || r.boots[last].id != record.BootID {
		last++

		r.boots = append(r.boots, boot{id: record.BootID, first: len(r.rows)})
	}

	r.boots[last].zero = record.WallNS - record.BootNS
	added := row{
		seq: record.Seq, cause: record.Cause, decision: record.Decision, attempt: record.Attempt, boot: last,
		at:      events.Moment{WallNS: record.WallNS, BootNS: record.BootNS},
		service: r.texts.index(record.Service), kind: r.texts.index(record.Kind),
		state: r.texts.index(record.State), message: r.texts.index(record.Message),
	}

	roles, told := history.Roles(record)
	if added.roles = roles; roles&history.RoleShown != 0 && told != record.Message {
		added.told = r.texts.index(told)
	}

	r.rows = append(r.rows, added)

	return len(r.rows) - 1
}
