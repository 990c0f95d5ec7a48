package actors_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// sourced is a service with the name of its file, which the journal keeps.
func sourced(name string) *spec.Service {
	file := serve(name)
	file.Source = name + ".yaml"

	return file
}

// skipping tells of two services that run; then the next daemon finds that the file of the first has a mistake.
func skipping(t *testing.T, tell func(w *actorstest.World)) {
	t.Helper()
	story(t, func(w *actorstest.World) {
		w.Boot(sourced("a"), sourced("b"))
		states(w, map[string]string{"ext-a": events.StateRunning, "ext-b": events.StateRunning})
		w.Close()

		w.Config = func(config *actors.Config) {
			config.Desired.Rejected = []*events.SpecRejected{{File: "a.yaml", Problems: []string{"1:2"}}}
		}

		w.Boot(sourced("b"))
		w.Run(time.Minute)

		if running := w.Runtime.Running(); running["ext-a"] != 1 || running["ext-b"] != 1 {
			w.Fatalf("running %v", running)
		}

		wantCalls(w, "Signal")
		tell(w)
	})
}

func reload(w *actorstest.World, desired actors.Desired) {
	w.T.Helper()
	w.Do(func() {
		if _, err := w.System.Reload(w.T.Context(), desired); err != nil {
			w.T.Error(err)
		}
	})
	w.Run(time.Minute)
}

func TestAContainerWhoseFileHasProblemsGoesOn(t *testing.T) {
	skipping(t, func(w *actorstest.World) {
		view, found := w.System.View("ext-a")
		if !found || view.State != events.StateRunning || view.PID == 0 {
			w.Fatalf("view %+v, %v", view, found)
		}

		if last := w.Events("ext-a"); !strings.Contains(last[len(last)-1], "a.yaml") {
			w.Fatalf("events %q", last)
		}

		if _, err := w.Command("ext-a", &events.StopService{}); err == nil || !strings.Contains(err.Error(), `"a.yaml" has problems`) {
			w.Fatalf("stop: %v", err)
		}

		// The link comes and goes, which changes nothing, and is recorded once.
		before := w.Events("ext-a")

		w.Runtime.Disconnect()
		w.Run(time.Minute)
		w.Runtime.Connect()
		w.Run(time.Minute)
		wantEvents(w, "ext-a", before...)

		reload(w, actors.Desired{Services: []*spec.Service{sourced("a"), sourced("b")}})

		if after, _ := w.System.View("ext-a"); after.PID != view.PID || after.State != events.StateRunning {
			w.Fatalf("view %+v", after)
		}

		wantCalls(w, "Start", "ext-a", "ext-b")

		w.Runtime.Exit("ext-a", 3) // is seen again
		w.Run(10 * time.Second)
		wantCalls(w, "Start", "ext-a", "ext-b", "ext-a")
	})
}

func TestAContainerWhoseFileHadProblemsEndsWithIt(t *testing.T) {
	skipping(t, func(w *actorstest.World) {
		reload(w, actors.Desired{Services: []*spec.Service{sourced("b")}})

		if tasks := w.Runtime.Tasks(); len(tasks) != 1 || tasks["ext-b"] != 1 {
			w.Fatalf("left in the runtime: %v", tasks)
		}
	})
}

func TestShutdownEndsAContainerWhoseFileHasProblems(t *testing.T) {
	skipping(t, func(w *actorstest.World) {
		shutDown(w, nil)
		wantGone(w)

		if ended := calls(w, "Signal"); !slices.Contains(ended, "ext-a") {
			w.Fatalf("signals to %q", ended)
		}
	})
}

// What has ended meanwhile need not be left alone.
func TestALostContainerWhoseFileHasProblemsIsForgotten(t *testing.T) {
	skipping(t, func(w *actorstest.World) {
		w.Runtime.Disconnect()
		w.Run(time.Minute)
		w.Runtime.Lose("ext-a")
		w.Runtime.Connect()
		w.Run(time.Minute)

		if view, found := w.System.View("ext-a"); found {
			w.Fatalf("view %+v", view)
		}
	})
}

// What runs counts for those who depend on it, whatever has become of its file.
func TestAContainerWhoseFileHasProblemsIsUpForItsDependents(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(sourced("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Close()

		w.Config = func(config *actors.Config) {
			config.Desired.Rejected = []*events.SpecRejected{{File: "a.yaml", Problems: []string{"1:2"}}}
		}

		w.Boot(serve("b", on("ext-a")))
		w.UntilState("ext-b", events.StateRunning)

		// Once it is gone, it is nobody's again.
		w.Runtime.Disconnect()
		w.Run(time.Minute)
		w.Runtime.Lose("ext-a")
		w.Runtime.Lose("ext-b")
		w.Runtime.Connect()
		w.Run(time.Minute)

		if last := w.Events("ext-b"); !strings.HasSuffix(last[len(last)-1], `Waiting for service "ext-a" to be registered`) {
			w.Fatalf("events %q", last)
		}
	})
}
