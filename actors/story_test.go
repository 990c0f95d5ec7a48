package actors_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// story runs a test in a world whose runtime answers at once.
func story(t *testing.T, tell func(w *actorstest.World)) {
	t.Helper()
	storyOf(t, 1, tell)
}

// storyOf is a story in which a seed decides what comes first of what comes at once.
func storyOf(t *testing.T, seed uint64, tell func(w *actorstest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := actorstest.NewWorld(t, seed)
		w.Prompt = true
		tell(w)
	})
}

// serve returns a service that runs until it is stopped.
func serve(name string, depends ...spec.Dependency) *spec.Service {
	return &spec.Service{
		Name: name, Container: spec.Container{Entrypoint: "/program"}, Depends: depends, Restart: spec.RestartAlways,
		Extactor: spec.Extactor{Stop: spec.Stop{Signal: "SIGTERM", Timeout: 10 * time.Second}},
	}
}

var (
	path   = condition.Condition{Kind: condition.Path, Name: "/dev/x"}
	exists = condition.FileFact{Exists: true}
)

func on(id string) spec.Dependency { return spec.Dependency{Service: id} }

// states waits until each service is in its state.
func states(w *actorstest.World, want map[string]string) {
	w.T.Helper()

	for id, state := range want {
		w.UntilState(id, state)
	}
}

// calls lists the calls of a method, in order, as ids.
func calls(w *actorstest.World, method string) []string {
	var ids []string

	for _, call := range w.Runtime.Calls() {
		if call.Method == method {
			ids = append(ids, call.ID)
		}
	}

	return ids
}

func wantCalls(w *actorstest.World, method string, want ...string) {
	w.T.Helper()

	if got := calls(w, method); !slices.Equal(got, want) {
		w.Fatalf("calls of %s are for %q, want %q", method, got, want)
	}
}

func wantEvents(w *actorstest.World, id string, want ...string) {
	w.T.Helper()

	if got := w.Events(id); !slices.Equal(got, want) {
		w.Fatalf("events of %s are\n%q, want\n%q", id, got, want)
	}
}

func command(w *actorstest.World, id string, order events.Order) uint64 {
	w.T.Helper()

	seq, err := w.Command(id, order)
	if err != nil {
		w.Fatalf("%v", err)
	}

	return seq
}

func TestStartFollowsDependenciesAndShutdownReversesThem(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a", on("ext-b")), serve("b", on("ext-c")), serve("c"), serve("d"))
		states(w, map[string]string{"ext-a": events.StateRunning, "ext-d": events.StateRunning})

		// Nothing ties d to the others.
		starts := slices.DeleteFunc(calls(w, "Start"), func(id string) bool { return id == "ext-d" })
		if want := []string{"ext-c", "ext-b", "ext-a"}; !slices.Equal(starts, want) {
			w.Fatalf("calls of Start are for %q, want %q", starts, want)
		}

		wantEvents(w, "ext-a",
			`[Waiting]: Waiting for service "containerd" to be "up", service "ext-b" to be "up"`,
			`[Waiting]: Waiting for service "ext-b" to be "up"`,
			`[Preparing]: Running pre state`,
			`[Preparing]: Creating service runner`,
			`[Running]: Started task ext-a (PID 1004) for container ext-a`,
		)
		shutDown(w, nil)

		signals := calls(w, "Signal")
		if slices.Index(signals, "ext-a") > slices.Index(signals, "ext-b") || slices.Index(signals, "ext-b") > slices.Index(signals, "ext-c") {
			w.Fatalf("stopped in the order %q", signals)
		}

		wantGone(w)
	})
}

func shutDown(w *actorstest.World, hurry <-chan struct{}) {
	w.T.Helper()
	w.Do(func() {
		if err := w.System.Shutdown(w.T.Context(), hurry); err != nil {
			w.T.Error(err)
		}
	})
	w.CheckViews()
}

func wantGone(w *actorstest.World) {
	w.T.Helper()

	if tasks := w.Runtime.Tasks(); len(tasks) > 0 {
		w.Fatalf("left in the runtime: %v", tasks)
	}

	for id, state := range w.States() {
		if id != service.Runtime && state != events.StateFinished {
			w.Fatalf("%s is %s", id, state)
		}
	}
}

func TestShutdownInAHurryKillsAllAtOnce(t *testing.T) {
	story(t, func(w *actorstest.World) {
		deaf := serve("a", on("ext-b"))
		deaf.Container.Args = []string{"stubborn"}
		deaf.Extactor.Stop.Timeout = time.Hour

		w.Boot(deaf, serve("b"))
		w.UntilState("ext-a", events.StateRunning)

		hurry := make(chan struct{})
		time.AfterFunc(time.Minute, func() {
			if w.State("ext-b") != events.StateRunning {
				w.T.Error("b was stopped while a needs it")
			}

			close(hurry)
		})

		begin := time.Now()
		shutDown(w, hurry)
		wantGone(w)

		if killed := slices.Sorted(slices.Values(calls(w, "Kill"))); !slices.Equal(killed, []string{"ext-a", "ext-b"}) {
			w.Fatalf("killed %q", killed)
		}

		if took := time.Since(begin); took > 2*time.Minute {
			w.Fatalf("shutdown took %s", took)
		}
	})
}

func TestServicesInACycleWaitForEachOtherAndStop(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a", on("ext-b")), serve("b", on("ext-a")), serve("c"))
		w.UntilState("ext-c", events.StateRunning)
		w.Run(time.Minute)

		wantEvents(w, "ext-a",
			`[Waiting]: Never starts, because services wait for each other: ext-a -> ext-b -> ext-a`,
			`[Waiting]: Waiting for service "containerd" to be "up", service "ext-b" to be "up"`,
			`[Waiting]: Waiting for service "ext-b" to be "up"`,
		)

		shutDown(w, nil)
		wantGone(w)
	})
}

func TestAServiceThatNobodyKnowsIsAwaited(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a", on("ext-x")))
		w.Run(time.Minute)
		wantEvents(w, "ext-a", `[Waiting]: Waiting for service "containerd" to be "up", service "ext-x" to be registered`,
			`[Waiting]: Waiting for service "ext-x" to be registered`)
	})
}

func TestConfigurationIsAwaited(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a", spec.Dependency{Configuration: true}))
		w.Run(time.Minute)
		wantEvents(w, "ext-a", `[Waiting]: Waiting for service "containerd" to be "up", extension service config`,
			`[Waiting]: Waiting for extension service config`)
	})
}

func TestAHangingWatcherMeansUnmetAfterASecond(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Watcher.Hang(path)
		w.Boot(serve("a", spec.Dependency{Path: path.Name}))
		w.Run(999 * time.Millisecond)
		wantEvents(w, "ext-a")
		w.Run(2 * time.Millisecond)
		wantEvents(w, "ext-a", `[Waiting]: Waiting for file "/dev/x" to exist`)
		w.Watcher.Set(path, exists)
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestAConditionThatCeasesDuringPreparationStopsTheStart(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Watcher.Set(path, exists)
		w.Boot(serve("a", spec.Dependency{Path: path.Name}))
		w.UntilState("ext-a", events.StatePreparing)
		w.Watcher.Set(path, nil)
		w.Run(time.Second)
		wantCalls(w, "Start")
		w.Watcher.Set(path, exists)
		w.UntilState("ext-a", events.StateRunning)
		wantCalls(w, "Start", "ext-a")
	})
}
