package picture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/extactor/extactor/events"
)

// Boot is the course of one boot: what each service did when, and what it waited for. Moments are CLOCK_BOOTTIME in
// nanoseconds.
type Boot struct {
	ID     string // kernel boot id
	Begin  int64  // of the first record
	End    int64  // of the last record, or of the moment at which it was looked at
	WallNS int64  // of Begin, by the wall clock as it was at the last record
	Rows   []Row  // services, and the conditions they had to wait for, in the order in which they got going
	Daemon []int64
	Gaps   int // how often records were lost
}

// Row is what one service did, or when one condition was met.
type Row struct {
	ID        string // of the service, or key of the condition
	Condition bool
	Spans     []Span // one after the other; the last one ends with the boot
	Marks     []Mark
	Up        int64 // when others that need it could first begin, or when the condition was first met; Never if it was not
	Done      int64 // when it first finished by itself; Never if it did not
	Ready     int64 // when nothing held it up any more at its first start; Never if it was not started
	Restarts  int   // starts that the restart policy made

	depends []string // keys of its conditions
	met     map[string][]change
}

// Never stands for a moment that did not come.
const Never = int64(-1)

// Span is a time during which a service was in one phase.
type Span struct {
	Phase    Phase
	From, To int64
	Note     string // what was said when it began
}

// Mark is the end of a task, or a start that failed.
type Mark struct {
	At  int64
	Bad bool
}

type change struct {
	at  int64
	met bool
}

// Course is a boot while its records are read.
type Course struct {
	boot       Boot
	records    int
	services   map[string]*history
	conditions map[string]*Row
}

// NewCourse is the course of a boot of which nothing is known yet.
func NewCourse(bootID string) *Course {
	return &Course{boot: Boot{ID: bootID}, services: map[string]*history{}, conditions: map[string]*Row{}}
}

// history is a service while its records are read.
type history struct {
	row     Row
	view    events.View
	checked bool // it has a health check
}

// Add takes the next record, oldest first; those of other boots are left out.
func (c *Course) Add(record events.Record) {
	if record.BootID != c.boot.ID {
		return
	}

	if c.records == 0 {
		c.boot.Begin = record.BootNS
	}

	c.records++
	c.boot.End = max(c.boot.End, record.BootNS)
	c.boot.WallNS = record.WallNS - (record.BootNS - c.boot.Begin)

	switch kind := record.Event.GetKind().(type) {
	case *events.Event_DaemonStarted:
		c.boot.Daemon = append(c.boot.Daemon, record.BootNS)
	case *events.Event_Gap:
		c.boot.Gaps++
	case *events.Event_ConditionChanged:
		c.condition(kind.ConditionChanged.GetKey(), kind.ConditionChanged.GetMet(), record)
	}

	if record.Service == "" {
		return
	}

	of := c.services[record.Service]
	if of == nil {
		of = &history{view: events.NewView(record.Service), row: Row{ID: record.Service, Up: Never, Done: Never, Ready: Never, met: map[string][]change{}}}
		c.services[record.Service] = of
	}

	of.add(record)
}

// condition follows one that is no service: those that were unmet when somebody looked get a row.
func (c *Course) condition(key string, met bool, record events.Record) {
	if serviceOf(key) != "" {
		return
	}

	row := c.conditions[key]
	if row == nil {
		if met {
			return // nobody waited for it
		}

		row = &Row{ID: key, Condition: true, Up: Never, Done: Never, Ready: Never}
		c.conditions[key] = row
	}

	phase := PhaseUnmet
	if met {
		phase = PhaseMet
	}

	row.enter(phase, record.BootNS, "")

	if met && row.Up == Never {
		row.Up = record.BootNS
	}
}

// serviceOf is the id in the key of a condition that is about a service, else empty.
func serviceOf(key string) string {
	kind, name, _ := strings.Cut(key, ":")
	if kind == "service" || kind == "completed" {
		return name
	}

	return ""
}

// enter begins a phase where it differs from the one before.
func (r *Row) enter(phase Phase, at int64, note string) {
	if last := len(r.Spans) - 1; last >= 0 {
		span := &r.Spans[last]
		if span.Phase == phase {
			if span.Note == "" {
				span.Note = note
			}

			return
		}

		at = max(at, span.From)
		if span.To = at; span.To == span.From {
			r.Spans = r.Spans[:last] // it took no time
			r.enter(phase, at, note)

			return
		}
	}

	r.Spans = append(r.Spans, Span{Phase: phase, From: at, To: at, Note: note})
}

func (h *history) add(record events.Record) {
	h.view = h.view.Apply(record)
	h.view.Recent = nil // EVENTS are not drawn, and keeping them costs most of the time
	h.fact(record)
	h.row.enter(h.phase(), record.BootNS, record.Message)

	switch h.phase() {
	case events.StatePreparing:
		if h.row.Ready == Never {
			h.row.Ready = record.BootNS
		}
	case events.StateRunning:
		if h.row.Up == Never {
			h.row.Up = record.BootNS
		}
	}
}

func (h *history) fact(record events.Record) {
	switch kind := record.Event.GetKind().(type) {
	case *events.Event_SpecLoaded:
		h.describe(kind.SpecLoaded.GetLifecycle())
	case *events.Event_SpecChanged:
		h.describe(kind.SpecChanged.GetLifecycle())
	case *events.Event_Snapshot:
		h.describe(kind.Snapshot.GetLifecycle())
	case *events.Event_ConditionChanged:
		key := kind.ConditionChanged.GetKey()
		h.row.met[key] = append(h.row.met[key], change{at: record.BootNS, met: kind.ConditionChanged.GetMet()})
	case *events.Event_RestartScheduled:
		h.row.Restarts++
	case *events.Event_TaskExited:
		h.row.Marks = append(h.row.Marks, Mark{At: record.BootNS, Bad: !kind.TaskExited.GetExit().Success()})
	case *events.Event_StartFailed:
		h.row.Marks = append(h.row.Marks, Mark{At: record.BootNS, Bad: !kind.StartFailed.GetCancelled()})
	case *events.Event_ServiceFinished:
		if h.row.Done == Never && kind.ServiceFinished.GetStopped() == events.StopReason_STOP_REASON_UNSPECIFIED {
			h.row.Done = record.BootNS
		}
	}
}

func (h *history) describe(lifecycle *events.Lifecycle) {
	h.checked, h.row.depends = lifecycle.GetHealthCheck(), lifecycle.GetDepends()
}

func (h *history) phase() Phase { return PhaseOf(h.view, h.checked) }

// PhaseOf is what a service does; one whose health check has not answered is not up yet.
func PhaseOf(view events.View, checked bool) Phase {
	switch {
	case view.State == events.StateWaiting && view.NextRetry != 0:
		return PhaseRetry
	case view.State == events.StateRunning && !view.Health.Healthy && (checked || !view.Health.Unknown):
		return PhaseHealth
	default:
		return Phase(view.State)
	}
}

// End closes what is open and puts the rows in order. The boot goes on to now, on the boot clock, or ends with its last
// record where now is 0.
func (c *Course) End(now int64) Boot {
	boot := c.boot
	boot.End = max(boot.End, now)

	for _, of := range c.services {
		boot.Rows = append(boot.Rows, of.row)
	}

	for _, row := range c.conditions {
		boot.Rows = append(boot.Rows, *row)
	}

	for i := range boot.Rows {
		if spans := boot.Rows[i].Spans; len(spans) > 0 {
			spans[len(spans)-1].To = boot.End
		}
	}

	slices.SortFunc(boot.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.order(), b.order()), compareBool(b.Condition, a.Condition), strings.Compare(a.ID, b.ID))
	})

	return boot
}

// order is when a row got going; one that never did comes last.
func (r Row) order() int64 {
	for _, at := range []int64{r.Ready, r.Up} {
		if at != Never {
			return at
		}
	}

	return int64(1) << 62
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// service and condition find a row.
func (b Boot) service(id string) *Row    { return b.find(id, false) }
func (b Boot) condition(key string) *Row { return b.find(key, true) }

func (b Boot) find(id string, condition bool) *Row {
	for i := range b.Rows {
		if b.Rows[i].ID == id && b.Rows[i].Condition == condition {
			return &b.Rows[i]
		}
	}

	return nil
}

// Find returns the id of a service, which is tried as it is, then with "ext-" before it; empty where there is none.
func (b Boot) Find(id string) string {
	for _, candidate := range []string{id, "ext-" + id} {
		if b.service(candidate) != nil {
			return candidate
		}
	}

	return ""
}

// pause is how long nothing must come up for the boot to be over.
const pause = int64(5 * time.Minute)

// Settled is when the last service came up for the first time; what comes up after a pause of five minutes was not part
// of the boot. Where nothing came up it is the end.
func (b Boot) Settled() int64 {
	var ups []int64

	for _, row := range b.Rows {
		if row.Up != Never && !row.Condition {
			ups = append(ups, row.Up)
		}
	}

	if len(ups) == 0 {
		return b.End
	}

	slices.Sort(ups)

	settled := ups[0]
	for _, up := range ups[1:] {
		if up-settled > pause {
			break
		}

		settled = up
	}

	return settled
}
