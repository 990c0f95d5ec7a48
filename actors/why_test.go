package actors_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/spec"
)

// why explains a service as it is now, or was after a record.
func why(w *actorstest.World, id string, until uint64) history.Explanation {
	w.T.Helper()

	explanation, err := history.Explain(history.In(w.Journal.Records()), until, id)
	if err != nil {
		w.Fatalf("%v", err)
	}

	return explanation
}

// outline is a tree of causes, indented.
func outline(cause *history.Cause, depth int) string {
	out := fmt.Sprintf("%s%s\n", strings.Repeat("  ", depth), cause.Text)
	for _, because := range cause.Because {
		out += outline(because, depth+1)
	}

	return out
}

func wantWhy(w *actorstest.World, id string, want ...string) {
	w.T.Helper()

	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", outline(why(w, id, 1<<62).Cause, 0)); diff != "" {
		w.Fatalf("why %s is as it is (-want +got):\n%s", id, diff)
	}
}

// crash has a task end with code 1, so often.
func crash(w *actorstest.World, id string, times int) {
	w.T.Helper()

	for range times {
		w.UntilState(id, events.StateRunning)
		w.Runtime.Exit(id, 1)
		w.UntilState(id, events.StateWaiting)
	}
}

func TestWhyAServiceIsAsItIs(t *testing.T) {
	story(t, func(w *actorstest.World) {
		device := condition.Condition{Kind: condition.Path, Name: "/dev/zfs"}
		a, b := serve("a", spec.Dependency{Path: "/dev/zfs"}), serve("b", on("ext-a"))
		w.Boot(a, b)
		w.Run(time.Minute)
		wantWhy(w, "ext-b",
			`ext-b is waiting`,
			`  it waits for service "ext-a" to be "up"`,
			`    ext-a is waiting`,
			`      it waits for file "/dev/zfs" to exist`)

		w.Watcher.Set(device, condition.FileFact{Exists: true})
		w.UntilState("ext-b", events.StateRunning)
		wantWhy(w, "ext-b",
			`ext-b is running`,
			`  the task of ext-b (PID 1002) was started`,
			`    service "ext-a" came up`,
			`      the task of ext-a (PID 1001) was started`,
			`        file "/dev/zfs" was there`)

		crash(w, "ext-a", 7)
		wantWhy(w, "ext-a",
			`ext-a waits for its next try`,
			`  the task of ext-a (PID 1008) exited with code 1`,
			`    it was restarted 6 times`,
			`      the task of ext-a (PID 1001) was started`,
			`        file "/dev/zfs" was there`)

		w.Watcher.Set(device, condition.FileFact{})
		w.Run(time.Minute)
		wantWhy(w, "ext-a",
			`ext-a is waiting`,
			`  it waits for file "/dev/zfs" to exist`,
			`  the task of ext-a (PID 1008) exited with code 1`,
			`    it was restarted 7 times`)

		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)
		stopped := why(w, "ext-a", 1<<62)
		wantWhy(w, "ext-a",
			`ext-a has finished`,
			`  stop of ext-a was asked for by user 1000 (PID 100, cli)`)

		shutDown(w, nil)
		wantWhy(w, "ext-b",
			`ext-b has finished`,
			`  the task of ext-b (PID 1002) exited without error`,
			`    ext-b: Stopping for the daemon's shutdown`,
			`      extactor began to stop all services`)

		// What was so then is told as it was then, whatever came after it.
		if diff := cmp.Diff(stopped, why(w, "ext-a", stopped.Seq)); diff != "" {
			w.Fatalf("at record %d (-then +now):\n%s", stopped.Seq, diff)
		}
	})
}

func TestWhyInOneParagraph(t *testing.T) {
	story(t, func(w *actorstest.World) {
		device := condition.Condition{Kind: condition.Path, Name: "/dev/zfs"}
		w.Watcher.Set(device, condition.FileFact{Exists: true})
		w.Boot(serve("a", spec.Dependency{Path: "/dev/zfs"}))
		crash(w, "ext-a", 7)
		w.Watcher.Set(device, condition.FileFact{})
		w.Run(time.Minute)

		got := why(w, "ext-a", 1<<62).Text(func(at events.Moment) string {
			return time.Duration(at.BootNS).Round(time.Second).String()
		})
		want := `At 14s ext-a is waiting since 7s, because it waits for file "/dev/zfs" to exist since 7s, which disappeared; ` +
			`and the task of ext-a (PID 1007) exited with code 1 at 7s; it was restarted 7 times since 1s.`

		if got != want {
			w.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// Whatever happened in a life, each service can be explained at each moment of it.
func TestEveryMomentCanBeExplained(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"), serve("b", on("ext-a")))
		crash(w, "ext-a", 3)
		w.Crash()
		w.Runtime.Lose("ext-b")
		w.Boot(serve("a"), serve("b", on("ext-a")))
		w.Run(time.Minute)
		w.Runtime.Disconnect()
		command(w, "ext-a", &events.RestartService{})
		w.Runtime.Connect()
		w.Run(time.Minute)
		shutDown(w, nil)

		for _, record := range w.Journal.Records() {
			if record.Service == "" {
				continue
			}

			if cause := why(w, record.Service, record.Seq).Cause; cause.At.BootNS > record.BootNS || len(cause.Because) == 0 && record.State != "" {
				w.Fatalf("%s at record %d (%s): %s", record.Service, record.Seq, record.Kind, outline(cause, 0))
			}
		}
	})
}
