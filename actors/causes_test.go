package actors_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// chain follows the causes of the last record of a kind back to a root fact, as "kind of service".
func chain(w *actorstest.World, id, kind string) []string {
	w.T.Helper()

	records := w.Journal.Records()

	at := len(records) - 1
	for at >= 0 && (records[at].Service != id || records[at].Kind != kind) {
		at--
	}

	if at < 0 {
		w.Fatalf("there is no %s of %s", kind, id)
	}

	var links []string

	for {
		links = append(links, records[at].Kind+" of "+records[at].Service)

		cause := records[at].Cause
		if cause == 0 {
			return links
		}

		at = slices.IndexFunc(records, func(record events.Record) bool { return record.Seq == cause })
		if at < 0 {
			w.Fatalf("there is no record %d, the cause of %s", cause, links[len(links)-1])
		}
	}
}

func wantChain(w *actorstest.World, id, kind string, want ...string) {
	w.T.Helper()

	if diff := cmp.Diff(want, chain(w, id, kind)); diff != "" {
		w.Fatalf("what led to %s of %s (-want +got):\n%s", kind, id, diff)
	}
}

// Every record names what led to it: the report its call, the timer what armed it, the start the condition that was met
// last, and that the provider's own record.
func TestEveryRecordNamesItsCause(t *testing.T) {
	story(t, func(w *actorstest.World) {
		device := condition.Condition{Kind: condition.Path, Name: "/dev/zfs"}
		a, b := serve("a", spec.Dependency{Path: "/dev/zfs"}), serve("b", on("ext-a"))
		w.Boot(a, b)
		w.Run(time.Minute)
		w.Watcher.Set(device, condition.FileFact{Exists: true})
		w.UntilState("ext-b", events.StateRunning)

		startOfA := []string{"TaskStarted of ext-a", "RunnerCreated of ext-a", "PreparationStarted of ext-a"}
		startOfB := []string{"TaskStarted of ext-b", "RunnerCreated of ext-b", "PreparationStarted of ext-b"}
		wantChain(w, "ext-b", "TaskStarted", append(startOfB, startOfA...)...)

		w.Runtime.Exit("ext-a", 1)
		w.Until(time.Minute, "a has restarted", func() bool {
			view, _ := w.System.View("ext-a")

			return view.Attempt == 2 && view.State == events.StateRunning
		})
		wantChain(w, "ext-a", "TaskStarted", slices.Concat(startOfA, []string{"RestartScheduled of ext-a"}, startOfA)...)

		// A person's command: nothing that is recorded led to it.
		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)
		wantChain(w, "ext-a", "TaskExited", "TaskExited of ext-a", "SignalSent of ext-a")
		wantChain(w, "ext-b", "ConditionChanged", "ConditionChanged of ext-b", "SignalSent of ext-a")

		// Files that changed, and who had them read.
		asked := &events.Origin{Uid: 1000, Pid: 7, Via: "cli"}
		changed := with(b, func(file *spec.Service) { file.Container.Args = []string{"x"} })
		reload(w, actors.Desired{Services: []*spec.Service{a, changed}, Origin: asked})
		w.Run(time.Second)
		wantChain(w, "ext-b", "SpecChanged", "SpecChanged of ext-b", "FilesRead of ")

		shutDown(w, nil)
		wantChain(w, "ext-b", "ServiceFinished", "ServiceFinished of ext-b", "ShutdownBegan of ")
	})
}

// What a reading of the files brought is recorded, with who had them read.
func TestAReadingOfTheFilesIsRecorded(t *testing.T) {
	story(t, func(w *actorstest.World) {
		a, b := serve("a"), serve("b")
		a.Source, b.Source = "/s/a.yaml", "/s/b.yaml"
		w.Boot(a, b)

		asked := &events.Origin{Uid: 1000, Pid: 7, Via: "cli"}
		changed := with(a, func(file *spec.Service) { file.Container.Environment = []string{"KEY=" + actorstest.Secret} })
		config := &spec.Config{Name: "a", Environment: []string{"KEY=" + actorstest.Secret}, Source: "/c/a.yaml"}
		desired := actors.Desired{
			Services: []*spec.Service{changed}, Configs: []*spec.Config{config}, Origin: asked,
			Rejected: []*events.SpecRejected{{File: "/s/c.yaml", Problems: []string{"1:2"}}},
		}
		reload(w, desired)
		reload(w, desired) // nothing is new: nothing is recorded
		reload(w, actors.Desired{Services: []*spec.Service{changed}, Configs: []*spec.Config{config}})

		type reading struct {
			By    string
			Facts []events.Fact
		}

		var got []reading

		for _, record := range w.Journal.Records() {
			fact := events.Fact(record.Event.GetFilesRead())
			if rejected := record.Event.GetSpecRejected(); rejected != nil {
				fact = rejected
			} else if record.Event.GetFilesRead() == nil {
				continue
			}

			for _, file := range record.Event.GetFilesRead().GetFiles() {
				if (file.GetHash() == "") != (file.GetAction() == "removed") {
					t.Errorf("the hash of %s, %s, is %q", file.GetFile(), file.GetAction(), file.GetHash())
				}
			}

			if record.Seq == record.Decision {
				got = append(got, reading{By: record.Origin.GetVia()})
			}

			got[len(got)-1].Facts = append(got[len(got)-1].Facts, fact)
		}

		want := []reading{
			{Facts: []events.Fact{&events.FilesRead{Files: []*events.FileRead{
				{Action: "added", Service: "ext-a", File: "/s/a.yaml"}, {Action: "added", Service: "ext-b", File: "/s/b.yaml"},
			}}}},
			{By: "cli", Facts: []events.Fact{
				&events.FilesRead{Files: []*events.FileRead{
					{Action: "changed", Service: "ext-a", File: "/s/a.yaml"}, {Action: "removed", Service: "ext-b", File: "/s/b.yaml"},
					{Action: "added", Service: "ext-a", Config: true, File: "/c/a.yaml"},
				}},
				&events.SpecRejected{File: "/s/c.yaml", Problems: []string{"1:2"}},
			}},
			{Facts: []events.Fact{&events.SpecRejected{File: "/s/c.yaml"}}},
		}
		if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreFields(&events.FileRead{}, "hash")); diff != "" {
			w.Fatalf("readings (-want +got):\n%s", diff)
		}
	})
}
