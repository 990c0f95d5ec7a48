package replay

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/service"
)

// TestMain takes fewer lives than usual, where nobody says how many: each of them opens files and looks at every moment.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", lives); err != nil {
		panic(err)
	}

	m.Run()
}

// life is a journal with everything that was live after each of its records.
type life struct {
	journal *journal.Journal
	path    string
	live    []events.Past // by sequence, from 1 on
	now     events.Past
	views   map[string]events.View
	states  map[string]service.State
	wall    int64
	boot    int64
}

// newLife opens a journal in a directory, goes on with the life that is in it, and begins a run of the daemon.
func (l *life) run(t *rapid.T, dir, boot, run string) {
	opened, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{Instance: "i", BootID: boot, RunID: run}})
	if err != nil {
		t.Fatal(err)
	}

	l.journal, l.path = opened, opened.Status().Path
	l.now = events.Past{BootID: boot, RunID: run}
	l.views = map[string]events.View{}
}

func (l *life) instant() *events.Instant { return &events.Instant{WallNs: l.wall, BootNs: l.boot} }

// append records a decision, and what was published after each of its records.
func (l *life) append(decision events.Decision) uint64 {
	receipt := l.journal.Append(decision)

	for _, record := range receipt.Records {
		l.now.Seq, l.now.At = record.Seq, events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}

		switch {
		case record.Service != "":
			view, known := l.views[record.Service]
			if !known {
				view = l.recall(record.Service)
			}

			l.views[record.Service] = view.Apply(record)

			if record.Event.GetServiceRemoved() != nil {
				delete(l.views, record.Service)
			}
		case record.Event.GetSpecRejected() != nil:
			l.now.Rejected = []*events.SpecRejected{record.Event.GetSpecRejected()}
		case record.Event.GetDaemonStopped() != nil:
			l.now.Stopped = true
		}

		past := l.now
		for _, view := range l.views {
			past.Views = append(past.Views, view)
		}

		slices.SortFunc(past.Views, func(a, b events.View) int { return cmpID(a.ID, b.ID) })
		l.live = append(l.live, past)
	}

	return receipt.Last()
}

func cmpID(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

// recall folds the whole history of a service, as its actor does at the start.
func (l *life) recall(id string) events.View {
	view := events.NewView(id)

	for _, past := range l.live {
		for _, known := range past.Views {
			if known.ID == id && known.Revision > view.Revision {
				view = known
			}
		}
	}

	return view
}

func (l *life) note(id string, fact events.Fact) {
	event := events.New(fact)
	state := l.states[id]

	l.append(events.Decision{Service: id, At: l.instant(), Entries: []events.Entry{
		{Event: event, State: state.Name, Attempt: state.Attempt, Message: events.Text(id, event)},
	}})
}

// snapshot has a service record its whole state.
func (l *life) snapshot(id string) {
	state := l.states[id]
	if _, shown := l.views[id]; !shown || state.Lifecycle == nil {
		return
	}

	snapshot := state.Snapshot()
	l.views[id].Complete(snapshot)
	l.append(events.Decision{Service: id, At: l.instant(), Entries: []events.Entry{
		{Event: events.New(snapshot), State: state.Name, Attempt: state.Attempt},
	}})
}

func (l *life) take(id string, order events.Order) {
	command := events.NewCommand(l.instant(), &events.Origin{Via: "api"}, order)

	step, err := service.Take(l.states[id], command, 0)
	if err != nil || len(step.Decision.Entries) == 0 {
		return
	}

	l.append(step.Decision)
	l.states[id] = step.State
}

var ids = []string{"ext-a", "ext-b", "ext-c"}

func lifecycle(t *rapid.T) *events.Lifecycle {
	return &events.Lifecycle{
		Restart: rapid.SampledFrom([]string{"always", "never", "untilSuccess"}).Draw(t, "restart"), StopSignal: "SIGTERM",
		StopTimeoutNs: 10e9, BackoffInitialNs: 1e8, BackoffMaxNs: 3e10, BackoffResetNs: 6e10,
		Depends:     rapid.SampledFrom([][]string{nil, {"service:containerd"}, {"service:containerd", "path:/a"}}).Draw(t, "depends"),
		SpecHash:    rapid.SampledFrom([]string{"v1:aa", "v1:bb"}).Draw(t, "hash"),
		HealthCheck: rapid.Bool().Draw(t, "health"), Source: "/etc/a.yaml", OnConfigChange: "restart",
	}
}

// order draws something that can happen to a service; most of it is what would really come next.
func (l *life) order(t *rapid.T, id, boot string) events.Order {
	state := l.states[id]
	attempt := state.Attempt

	switch rapid.IntRange(0, 13).Draw(t, "order") {
	case 0:
		return &events.StartService{}
	case 1:
		return &events.StopService{}
	case 2:
		return &events.RestartService{}
	case 3, 4, 5:
		key := rapid.SampledFrom([]string{"service:containerd", "path:/a"}).Draw(t, "key")

		return &events.ObserveCondition{Key: key, Met: rapid.Bool().Draw(t, "met"), Text: key + " to be there"}
	case 6:
		return &events.ReportPrepared{Attempt: attempt}
	case 7, 8:
		return &events.ReportStarted{Attempt: attempt, Pid: uint32(l.boot), Container: id, Rootfs: "r"}
	case 9:
		return &events.ReportStartFailed{Attempt: attempt, Problem: "cannot start"}
	case 10:
		return &events.ReportExited{Attempt: attempt, Exit: &events.Exit{Known: true, Code: 1, At: l.instant(), LastLines: "bye"}}
	case 11:
		return &events.ElapseTimer{Attempt: attempt, Timer: events.Timer_TIMER_BACKOFF}
	case 12:
		return &events.ReportHealth{Attempt: attempt, Healthy: rapid.Bool().Draw(t, "healthy"), Message: "well"}
	default:
		return &events.RecoverService{Observed: &events.Observed{
			Status: events.TaskStatus_TASK_STATUS_RUNNING, Attempt: attempt, BootId: boot, Pid: 7, Container: id, At: l.instant(),
		}}
	}
}

// begin is the start of a daemon.
func (l *life) begin(t *rapid.T, boot string) {
	l.append(events.Decision{At: l.instant(), Entries: []events.Entry{{Event: events.New(&events.DaemonStarted{BootId: boot}), Message: "Started"}}})

	for _, id := range ids[:rapid.IntRange(1, len(ids)).Draw(t, "services")] {
		if l.states[id].ID == "" {
			l.states[id] = service.New(id)
		}

		l.take(id, &events.LoadSpec{Lifecycle: lifecycle(t), BootId: boot})
	}
}

func (l *life) step(t *rapid.T, boot string) {
	pause := int64(rapid.SampledFrom([]int{0, 1, 1e6, 2e9}).Draw(t, "pause"))
	l.wall, l.boot = l.wall+pause, l.boot+pause

	id := rapid.SampledFrom(ids).Draw(t, "id")
	if _, shown := l.views[id]; !shown {
		return
	}

	switch rapid.IntRange(0, 15).Draw(t, "what") {
	case 0:
		l.snapshot(id)
	case 1:
		l.note(id, &events.SpecRejected{File: "/etc/a.yaml", Problems: []string{"1:2"}})
	case 2:
		l.note(id, &events.CycleFound{Path: []string{id, "ext-z", id}})
	case 3:
		l.note("", &events.SpecRejected{File: "/etc/z.yaml", Problems: []string{fmt.Sprint(l.boot, ":1")}})
	case 4:
		l.note(id, &events.ServiceQuarantined{Problem: "panic"})
	default:
		l.take(id, l.order(t, id, boot))
	}
}

var options = []cmp.Option{protocmp.Transform()}

// Every moment, as the journal tells it while the daemon runs, from a file afterwards, and step by step, is what was live.
func TestEveryMomentIsAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "replay-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)

		l := lead(t, dir, func(l *life) { l.compare(t, "live", l.journal.At) })

		reader, err := journal.OpenReadOnly(l.path)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()

		l.compare(t, "file", reader.At)
		l.compareSteps(t, reader)
		roundTrip(t, reader, dir)
	})
}

// lead leads a life of some runs of the daemon; after each of them somebody looks at it.
func lead(t *rapid.T, dir string, look func(*life)) *life {
	l := &life{states: map[string]service.State{}, wall: 1e18, boot: 1e9}

	for run := range rapid.IntRange(1, 3).Draw(t, "runs") {
		boot := "boot-1"
		if run > 0 && rapid.Bool().Draw(t, "reboot") {
			boot, l.boot = fmt.Sprintf("boot-%d", run+1), 1e9
		} else if run > 0 {
			boot = l.now.BootID
		}

		l.run(t, dir, boot, fmt.Sprintf("run-%d", run))
		l.begin(t, boot)

		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			l.step(t, boot)
		}

		look(l)

		if err := l.journal.Close(); err != nil {
			t.Fatal(err)
		}
	}

	return l
}

func (l *life) compare(t *rapid.T, what string, at func(context.Context, uint64) (*events.Fold, error)) {
	for i := range l.live {
		fold, err := at(context.Background(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(l.live[i], fold.Past(), options...); diff != "" {
			t.Fatalf("%s: at %d (-live +replay): %s", what, i+1, diff)
		}
	}
}

// compareSteps plays everything from the beginning, as replay --follow does.
func (l *life) compareSteps(t *rapid.T, reader *journal.Reader) {
	var fold events.Fold

	err := reader.Each(context.Background(), 0, 1<<62, func(record events.Record) bool {
		fold.Apply(record)

		if diff := cmp.Diff(l.live[record.Seq-1], fold.Past(), options...); diff != "" {
			t.Fatalf("step by step: at %d (-live +replay): %s", record.Seq, diff)
		}

		return true
	})
	if err != nil || fold.Past().Seq != uint64(len(l.live)) {
		t.Fatalf("%d records, not %d: %v", fold.Past().Seq, len(l.live), err)
	}
}

// roundTrip exports, imports, and exports again.
func roundTrip(t *rapid.T, reader *journal.Reader, dir string) {
	ctx, imported := context.Background(), filepath.Join(dir, "imported.db")

	var first, second bytes.Buffer
	if _, _, err := reader.Export(ctx, &first); err != nil {
		t.Fatal(err)
	}

	if _, err := journal.Import(ctx, bytes.NewReader(first.Bytes()), imported); err != nil {
		t.Fatal(err)
	}

	again, err := journal.OpenReadOnly(imported)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()

	if _, _, err := again.Export(ctx, &second); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Fatalf("after export and import: %s", diff)
	}
}
