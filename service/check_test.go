package service_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// recording is a journal in memory of services that are carried through commands.
type recording struct {
	t       testing.TB
	states  map[string]service.State
	records []events.Record
	boot    time.Duration
}

func record(t testing.TB) *recording {
	return &recording{t: t, states: make(map[string]service.State), boot: 10 * time.Second}
}

// give carries a command through and returns its sequence.
func (r *recording) give(id string, order events.Order) uint64 {
	r.t.Helper()

	r.boot += time.Second

	state, known := r.states[id]
	if !known {
		state = service.New(id)
	}

	step, err := service.Take(state, events.NewCommand(&events.Instant{BootNs: int64(r.boot)}, nil, order), 0)
	if err != nil || len(step.Decision.Entries) == 0 {
		r.t.Fatalf("%T changes nothing: %v", order, err)
	}

	r.states[id] = step.State

	return r.write(step.Decision)
}

func (r *recording) write(decision events.Decision) uint64 {
	first := uint64(len(r.records) + 1)
	if decision.Command != nil {
		r.records = append(r.records, events.Record{
			Seq: first, Decision: first, Service: decision.Service, Kind: decision.Command.KindName(), Command: decision.Command,
		})
	}

	for _, entry := range decision.Entries {
		r.records = append(r.records, events.Record{
			Seq: uint64(len(r.records) + 1), Decision: first, Service: decision.Service, Kind: entry.Event.KindName(),
			Event: proto.CloneOf(entry.Event), State: entry.State, Attempt: entry.Attempt, Message: entry.Message,
		})
	}

	return first
}

func (r *recording) snapshot(id string) {
	state := r.states[id]
	r.write(events.Decision{Service: id, Entries: []events.Entry{
		{Event: events.New(state.Snapshot()), State: state.Name, Attempt: state.Attempt},
	}})
}

// crashes has a service start and fail again and again, and returns the sequences of its exits.
func (r *recording) crashes(id string, times int) []uint64 {
	var exits []uint64

	if r.states[id].Lifecycle == nil {
		r.give(id, &events.LoadSpec{Lifecycle: &events.Lifecycle{Restart: "always"}, BootId: "boot-1"})
	}

	for range times {
		attempt := r.states[id].Attempt
		r.give(id, &events.ReportPrepared{Attempt: attempt})
		r.give(id, &events.ReportStarted{Attempt: attempt, Pid: 7})
		exits = append(exits, r.give(id, &events.ReportExited{Attempt: attempt, Exit: &events.Exit{Known: true, Code: 1}}))
		r.boot += time.Minute
		r.give(id, &events.ElapseTimer{Attempt: attempt + 1, Timer: events.Timer_TIMER_BACKOFF})
	}

	return exits
}

func check(records []events.Record) service.CheckReport {
	var checker service.Checker
	for _, record := range records {
		checker.Add(record)
	}

	return checker.Report()
}

func TestARecordingIsDecidedAgain(t *testing.T) {
	r := record(t)
	r.crashes("ext-a", 3)
	r.crashes("ext-b", 2)

	want := service.CheckReport{Records: len(r.records), Decisions: 2 + 5*4}
	if diff := cmp.Diff(want, check(r.records)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// otherBackoff changes what was recorded to what a machine with another backoff would have recorded from a failure on.
func otherBackoff(records []events.Record, from uint64) {
	for _, record := range records {
		if scheduled := record.Event.GetRestartScheduled(); scheduled != nil && record.Decision >= from {
			scheduled.UntilBootNs += scheduled.GetDelayNs()
			scheduled.DelayNs *= 2
		}
	}
}

// A machine that decided otherwise is found at the first decision that differs, and what it recorded stands: that the next
// timer rings later is no difference.
func TestADecisionThatDiffersIsFound(t *testing.T) {
	r := record(t)
	r.crashes("ext-quiet", 1)
	exits := r.crashes("ext-a", 4)
	otherBackoff(r.records, exits[2])

	report := check(r.records)
	if report.Differences != 2 || report.Uncertain != 0 || len(report.First) != 1 {
		t.Fatalf("report: %+v", report)
	}

	first := report.First[0]
	if first.Seq != exits[2] || first.Service != "ext-a" || first.Command.GetReportExited() == nil || first.Refused != "" {
		t.Errorf("the first difference is %+v, want the one at %d", first, exits[2])
	}

	recorded, today := first.Recorded[1].Event.GetRestartScheduled(), first.Today[1].Event.GetRestartScheduled()
	if recorded.GetDelayNs() != 2*today.GetDelayNs() || today.GetDelayNs() != int64(400*time.Millisecond) {
		t.Errorf("recorded %v, today %v", recorded, today)
	}

	if diff := cmp.Diff(first.Recorded[0].Event, first.Today[0].Event, protocmp.Transform()); diff != "" {
		t.Errorf("the exit itself does not differ: %s", diff)
	}
}

// A command that today's machine refuses differs too.
func TestARefusedCommandIsFound(t *testing.T) {
	r := record(t)
	r.give("ext-a", &events.LoadSpec{Lifecycle: &events.Lifecycle{Depends: []string{"time"}}})
	r.give("ext-a", &events.StopService{})

	stray := r.write(events.Decision{
		Service: "ext-b", Command: events.NewCommand(&events.Instant{}, nil, &events.StopService{}),
		Entries: []events.Entry{{Event: events.New(&events.DesiredChanged{}), State: events.StateInitialized}},
	})

	report := check(r.records)
	if len(report.First) != 1 || report.First[0].Seq != stray || report.First[0].Refused == "" || report.First[0].Today != nil {
		t.Errorf("report: %+v", report)
	}
}

// Where records are missing nothing is said of a service until its next snapshot.
func TestWhatIsMissingIsNoDifference(t *testing.T) {
	r := record(t)
	r.crashes("ext-a", 2)
	pruned := len(r.records) - 2
	r.crashes("ext-a", 1)
	r.snapshot("ext-a")
	exits := r.crashes("ext-a", 2)

	whole := check(r.records[pruned:])
	if whole.Differences != 0 || whole.Uncertain == 0 {
		t.Errorf("a journal without its beginning: %+v", whole)
	}

	otherBackoff(r.records, exits[1])

	changed := check(r.records[pruned:])
	if changed.Differences != 1 || changed.First[0].Seq != exits[1] {
		t.Errorf("a difference behind the snapshot: %+v", changed)
	}
}

// A kind that this version does not know is not judged, and neither is what follows from it.
func TestAnUnknownKindIsNoDifference(t *testing.T) {
	r := record(t)
	r.crashes("ext-a", 1)
	r.records[3].Event = nil // PreparationStarted

	if r.records[3].Kind != "PreparationStarted" {
		t.Fatalf("record 4 is %s", r.records[3].Kind)
	}

	if report := check(r.records); report.Differences != 0 || report.Unknown != 1 {
		t.Errorf("report: %+v", report)
	}
}

// Whatever is lost of a journal, what is left of it never differs.
func TestALossIsNeverADifference(t *testing.T) {
	r := record(t)
	r.crashes("ext-a", 2)
	r.crashes("ext-b", 1)
	r.snapshot("ext-a")
	r.crashes("ext-a", 2)
	r.snapshot("ext-b")

	rapid.Check(t, func(t *rapid.T) {
		kept := make([]events.Record, 0, len(r.records))
		for i, record := range r.records {
			// The last one is what the journal ends with: that more followed cannot be seen.
			if i == len(r.records)-1 || rapid.IntRange(0, 9).Draw(t, "lost") > 0 {
				kept = append(kept, record)
			}
		}

		if report := check(kept); report.Differences != 0 {
			t.Fatalf("%d differences, first %+v", report.Differences, report.First[0])
		}
	})
}
