package events_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
)

// story is a list of records as a journal would hold them; every one is a second later than the one before.
type story struct {
	records []events.Record
}

func (s *story) add(state string, attempt uint64, fact events.Fact) {
	event := events.New(fact)
	seq := uint64(len(s.records) + 1)
	s.records = append(s.records, events.Record{
		Seq: seq, Service: "ext-a", State: state, Attempt: attempt, Event: event, Kind: event.KindName(), BootID: "boot-1",
		Message: events.Text("ext-a", event), WallNS: int64(seq) * 1e9, BootNS: int64(seq)*1e9 + 500,
	})
}

func (s *story) view() events.View {
	view := events.NewView("ext-a")
	for _, record := range s.records {
		view = view.Apply(record)
	}

	return view
}

// want compares the view with what a change of the one before it gives.
func (s *story) want(t *testing.T, before events.View, change func(*events.View)) events.View {
	t.Helper()

	last := s.records[len(s.records)-1]
	before.Revision = last.Seq

	if last.Message != "" {
		before.Recent = append(slices.Clone(before.Recent), events.Line{
			Seq: last.Seq, State: last.State, Message: last.Message, At: moment(last), BootID: "boot-1",
		})
	}

	change(&before)

	got := s.view()
	if diff := cmp.Diff(before, got, protocmp.Transform()); diff != "" {
		t.Fatalf("after %s: %s", last.Kind, diff)
	}

	return got
}

func moment(record events.Record) events.Moment {
	return events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}
}

// TestViewFollowsALife compares the whole view after every record of one life.
func TestViewFollowsALife(t *testing.T) {
	s, view := new(story), events.NewView("ext-a")
	next := func(state string, attempt uint64, fact events.Fact, change func(*events.View, events.Moment)) {
		t.Helper()
		s.add(state, attempt, fact)
		view = s.want(t, view, func(v *events.View) {
			at := moment(s.records[len(s.records)-1])
			if v.State != state {
				v.State, v.Since, v.SinceBootID = state, at, "boot-1"
			}

			v.Attempt = attempt
			change(v, at)
		})
	}
	same := func(*events.View, events.Moment) {}

	lifecycle := &events.Lifecycle{Depends: []string{"service:containerd", "time"}, LogToConsole: true, Source: "/a.yaml"}

	next("Initialized", 0, &events.SpecLoaded{Lifecycle: lifecycle, BootId: "boot-1"}, func(v *events.View, at events.Moment) {
		v.LogToConsole, v.Source, v.BootID = true, "/a.yaml", "boot-1"
		v.Conditions = []events.ConditionView{{Key: "service:containerd", Since: at}, {Key: "time", Since: at}}
	})
	next("Waiting", 1, &events.AttemptBegan{Attempt: 1}, same)
	next("Waiting", 1, &events.ConditionChanged{Key: "time", Text: "time sync"}, func(v *events.View, at events.Moment) {
		v.Conditions = slices.Clone(v.Conditions)
		v.Conditions[1] = events.ConditionView{Key: "time", Known: true, Text: "time sync", Since: at}
	})
	next("Waiting", 1, &events.ConditionChanged{Key: "service:containerd", Met: true}, func(v *events.View, at events.Moment) {
		v.Conditions = slices.Clone(v.Conditions)
		v.Conditions[0] = events.ConditionView{Key: "service:containerd", Known: true, Met: true, Since: at}
	})
	next("Waiting", 1, &events.UnmetChanged{Unmet: []string{"time sync"}}, same)
	next("Waiting", 1, &events.ConditionChanged{Key: "time", Met: true}, func(v *events.View, at events.Moment) {
		v.Conditions = slices.Clone(v.Conditions)
		v.Conditions[1] = events.ConditionView{Key: "time", Known: true, Met: true, Since: at}
	})
	next("Preparing", 1, &events.PreparationStarted{Attempt: 1}, same)
	next("Preparing", 1, &events.RunnerCreated{Attempt: 1}, same)
	next("Running", 1, &events.TaskStarted{Attempt: 1, Pid: 7, Container: "ext-a"}, func(v *events.View, _ events.Moment) {
		v.PID, v.Container = 7, "ext-a"
	})

	exit := &events.Exit{Known: true, Code: 3}
	next("Running", 1, &events.TaskExited{Attempt: 1, Pid: 7, Exit: exit}, func(v *events.View, _ events.Moment) {
		v.PID, v.Container, v.LastExit = 0, "", exit
	})
	next("Waiting", 2, &events.RestartScheduled{Attempt: 2, UntilBootNs: 99, Reason: "exited with code 3"}, func(v *events.View, _ events.Moment) {
		v.NextRetry, v.Problem, v.Restarts = 99, "exited with code 3", 1
	})
	next("Waiting", 2, &events.BackoffElapsed{Attempt: 2}, func(v *events.View, _ events.Moment) { v.NextRetry = 0 })
	next("Preparing", 2, &events.PreparationStarted{Attempt: 2}, same)
	next("Preparing", 2, &events.StartFailed{Attempt: 2, Problem: "no such file"}, func(v *events.View, _ events.Moment) {
		v.Problem = "no such file"
	})
	next("Waiting", 3, &events.RestartScheduled{Attempt: 3, UntilBootNs: 200, Reason: "no such file"}, func(v *events.View, _ events.Moment) {
		v.NextRetry, v.Restarts = 200, 2
	})
	next("Running", 3, &events.TaskAdopted{Attempt: 3, Pid: 8, Container: "ext-a"}, func(v *events.View, _ events.Moment) {
		v.PID, v.Container, v.Problem, v.NextRetry = 8, "ext-a", "", 0
	})
	next("Running", 3, &events.DesiredChanged{}, func(v *events.View, _ events.Moment) { v.Desired = events.DesiredStopped })
	next("Stopping", 3, &events.StopBegan{Reason: events.StopReason_STOP_REASON_PERSON}, same)
	next("Stopping", 3, &events.TaskLost{Attempt: 3}, func(v *events.View, _ events.Moment) {
		v.PID, v.Container, v.LastExit = 0, "", &events.Exit{}
	})
	next("Finished", 3, &events.ServiceFinished{Stopped: events.StopReason_STOP_REASON_PERSON}, func(v *events.View, _ events.Moment) {
		v.FinishedBy = events.StopReason_STOP_REASON_PERSON
	})
	next("Finished", 3, &events.ServiceQuarantined{Problem: "bug"}, func(v *events.View, _ events.Moment) {
		v.Quarantined, v.Problem = true, "quarantined after an internal error, only stop works until the daemon restarts: bug"
	})
	next("Finished", 3, &events.SpecLoaded{BootId: "boot-1"}, func(v *events.View, _ events.Moment) {
		v.Quarantined, v.Problem, v.Conditions = false, "", []events.ConditionView{}
		v.LogToConsole, v.Source = false, "" // the file does not say so any more
	})
}

func TestViewBeginsAnewWithABoot(t *testing.T) {
	s := new(story)
	s.add("Initialized", 0, &events.SpecLoaded{BootId: "boot-1"})
	s.add("Running", 1, &events.TaskStarted{Attempt: 1, Pid: 7, Container: "ext-a"})
	s.add("Waiting", 2, &events.RestartScheduled{Attempt: 2, UntilBootNs: 9, Reason: "boom"})
	s.add("Finished", 2, &events.DesiredChanged{})
	s.add("Initialized", 2, &events.SpecLoaded{BootId: "boot-2"})

	got := s.view()
	if got.Desired != events.DesiredStarted || got.Restarts != 0 || got.PID != 0 || got.NextRetry != 0 || got.Problem != "" || got.State != "Initialized" {
		t.Errorf("something of the last boot is left: %+v", got)
	}

	if got.Attempt != 2 || len(got.Recent) != 2 {
		t.Errorf("the attempt must go on counting and EVENTS must stay: %+v", got)
	}
}

// TestViewShowsAFileThatHasBecomeInvalid until it is right again, or the service is loaded anew.
func TestViewShowsAFileThatHasBecomeInvalid(t *testing.T) {
	for name, ending := range map[string]events.Fact{
		"right again": &events.SpecRejected{File: "a.yaml"}, "loaded": &events.SpecLoaded{Lifecycle: &events.Lifecycle{}},
	} {
		s := &story{}
		s.add("Running", 1, &events.SpecRejected{File: "a.yaml", Problems: []string{"3:1", "9:5"}})

		if got := s.view(); got.FileProblem != "a.yaml has problems at line:column 3:1, 9:5" || len(got.Recent) != 1 {
			t.Errorf("%s: %+v", name, got)
		}

		s.add("Running", 1, ending)

		if got := s.view(); got.FileProblem != "" || len(got.Recent) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestViewKeepsTheLastLines(t *testing.T) {
	s := new(story)
	for i := range events.RecentLines + 10 {
		s.add("Running", 1, &events.TaskStarted{Attempt: 1, Pid: uint32(i + 1), Container: "ext-a"})
	}

	got := s.view().Recent
	if len(got) != events.RecentLines || got[0].Seq != 11 || got[len(got)-1].Seq != uint64(events.RecentLines+10) {
		t.Errorf("%d lines from %d to %d", len(got), got[0].Seq, got[len(got)-1].Seq)
	}
}

// TestViewIsAValue applies records to a view that somebody else still reads.
func TestViewIsAValue(t *testing.T) {
	s := new(story)
	s.add("Initialized", 0, &events.SpecLoaded{Lifecycle: &events.Lifecycle{Depends: []string{"time"}}, BootId: "boot-1"})
	s.add("Waiting", 1, &events.UnmetChanged{Unmet: []string{"time sync"}})

	published := s.view()
	before := fmt.Sprintf("%+v", published)

	for _, fact := range []events.Fact{
		&events.ConditionChanged{Key: "time", Met: true}, &events.PreparationStarted{Attempt: 1}, &events.RunnerCreated{Attempt: 1},
	} {
		s.add("Preparing", 1, fact)
		published.Apply(s.records[len(s.records)-1])
	}

	if after := fmt.Sprintf("%+v", published); after != before {
		t.Errorf("a published view changed:\n%s\n%s", before, after)
	}
}

func TestWaitingSaysForWhatAndSinceWhen(t *testing.T) {
	s := new(story)
	s.add("Initialized", 0, &events.SpecLoaded{Lifecycle: &events.Lifecycle{Depends: []string{"service:containerd", "time"}}, BootId: "boot-1"})

	if got := s.view().Waiting(); got != nil {
		t.Errorf("it does not wait yet: %v", got)
	}

	s.add("Waiting", 1, &events.AttemptBegan{Attempt: 1})
	s.add("Waiting", 1, &events.ConditionChanged{Key: "service:containerd", Met: true})
	s.add("Waiting", 1, &events.ConditionChanged{Key: "time", Text: "time sync"})

	since := moment(s.records[3])
	want := []events.ConditionView{{Key: "time", Known: true, Text: "time sync", Since: since}}

	// Another text is no other wait.
	s.add("Waiting", 1, &events.ConditionChanged{Key: "time", Text: "time sync, really"})

	want[0].Text = "time sync, really"

	if diff := cmp.Diff(want, s.view().Waiting()); diff != "" {
		t.Error(diff)
	}

	// It was met for a while.
	s.add("Waiting", 1, &events.ConditionChanged{Key: "time", Met: true})
	s.add("Waiting", 1, &events.ConditionChanged{Key: "time", Text: "time sync"})

	if got := s.view().Waiting(); len(got) != 1 || got[0].Since != moment(s.records[6]) {
		t.Errorf("since %v", got)
	}

	s.add("Waiting", 2, &events.RestartScheduled{Attempt: 2, UntilBootNs: 5})

	if got := s.view().Waiting(); got != nil {
		t.Errorf("while it backs off it waits for no condition: %v", got)
	}
}

// TestViewOfAKindThatIsUnknown: what a newer version wrote stays readable by its state and message.
func TestViewOfAKindThatIsUnknown(t *testing.T) {
	unknown := new(events.Event)
	if err := proto.Unmarshal([]byte{0xfa, 0x3e, 0x00}, unknown); err != nil { // field 1007, empty
		t.Fatal(err)
	}

	for _, event := range []*events.Event{nil, unknown, {}} {
		view := events.NewView("ext-a").Apply(events.Record{Seq: 5, State: "Dreaming", Attempt: 3, Event: event, Message: "Began to dream"})
		if view.State != "Dreaming" || view.Attempt != 3 || view.Revision != 5 || len(view.Recent) != 1 || view.Recent[0].Message != "Began to dream" {
			t.Errorf("%v: %+v", event, view)
		}
	}
}

// What a run of the daemon, or a boot, or a file said is not shown once another one says otherwise.
func TestViewForgetsWhatIsVoid(t *testing.T) {
	checked := &events.Lifecycle{HealthCheck: true}
	load := func(boot string) *events.Event {
		return events.New(&events.SpecLoaded{Lifecycle: checked, BootId: boot})
	}
	fold := func(facts ...*events.Event) events.View {
		view := events.NewView("ext-a")
		for _, fact := range facts {
			view = view.Apply(events.Record{Event: fact})
		}

		return view
	}
	healthy := events.New(&events.HealthChanged{Healthy: true, Message: "ok"})
	unknown := events.Health{Unknown: true}

	if got := fold(load("1"), healthy); got.Health != (events.Health{Healthy: true, LastMessage: "ok"}) {
		t.Errorf("checked: %+v", got.Health)
	}

	if got := fold(load("1"), healthy, events.New(&events.SpecChanged{Lifecycle: &events.Lifecycle{}})); got.Health != unknown {
		t.Errorf("without a check any more: %+v", got.Health)
	}

	if got := fold(load("1"), healthy, load("2")); got.Health != unknown {
		t.Errorf("in another boot: %+v", got.Health)
	}

	if got := fold(load("1"), events.New(&events.CycleFound{Path: []string{"ext-a", "ext-a"}}), load("1")); got.Cycle != nil {
		t.Errorf("in another run: cycle %q", got.Cycle)
	}
}

// A service with a health check is up only while that says so, and one that has ended by itself is completed; a fold that
// begins with a snapshot knows both.
func TestViewUpAndCompleted(t *testing.T) {
	running := events.Record{State: events.StateRunning, Event: events.New(&events.TaskStarted{Pid: 7})}
	load := func(check bool) events.Record {
		return events.Record{State: events.StateInitialized, Event: events.New(&events.SpecLoaded{Lifecycle: &events.Lifecycle{HealthCheck: check}, BootId: "1"})}
	}
	health := func(healthy bool) events.Record {
		return events.Record{Event: events.New(&events.HealthChanged{Healthy: healthy})}
	}
	finished := func(reason events.StopReason) events.Record {
		return events.Record{State: events.StateFinished, Event: events.New(&events.ServiceFinished{Stopped: reason})}
	}
	again := events.Record{State: events.StateWaiting, Event: events.New(&events.AttemptBegan{})}
	snapshot := func(snapshot *events.Snapshot) events.Record {
		snapshot.Since = &events.Instant{}

		return events.Record{State: snapshot.GetState(), Event: events.New(snapshot)}
	}

	for name, test := range map[string]struct {
		records       []events.Record
		up, completed bool
	}{
		"not started":               {[]events.Record{load(false)}, false, false},
		"runs":                      {[]events.Record{load(false), running}, true, false},
		"not checked yet":           {[]events.Record{load(true), running}, false, false},
		"healthy":                   {[]events.Record{load(true), running, health(true)}, true, false},
		"unhealthy":                 {[]events.Record{load(true), running, health(true), health(false)}, false, false},
		"ended by itself":           {[]events.Record{load(false), running, finished(0)}, false, true},
		"stopped":                   {[]events.Record{load(false), running, finished(events.StopReason_STOP_REASON_PERSON)}, false, false},
		"stopped, then by itself":   {[]events.Record{load(false), running, finished(events.StopReason_STOP_REASON_PERSON), again, running, finished(0)}, false, true},
		"started again":             {[]events.Record{load(false), running, finished(0), again}, false, false},
		"snapshot, not checked yet": {[]events.Record{snapshot(&events.Snapshot{State: events.StateRunning, Lifecycle: &events.Lifecycle{HealthCheck: true}})}, false, false},
		"snapshot, healthy":         {[]events.Record{snapshot(&events.Snapshot{State: events.StateRunning, Lifecycle: &events.Lifecycle{HealthCheck: true}, HealthKnown: true, Healthy: true})}, true, false},
		"snapshot, shut down":       {[]events.Record{snapshot(&events.Snapshot{State: events.StateFinished, FinishedBy: events.StopReason_STOP_REASON_SHUTDOWN})}, false, false},
		"snapshot, ended by itself": {[]events.Record{snapshot(&events.Snapshot{State: events.StateFinished})}, false, true},
	} {
		view := events.NewView("ext-a")
		for _, record := range test.records {
			view = view.Apply(record)
		}

		if view.Up() != test.up || view.Completed() != test.completed {
			t.Errorf("%s: up %v, completed %v", name, view.Up(), view.Completed())
		}
	}
}
