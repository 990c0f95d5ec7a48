package actors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// story runs a test in a world whose runtime answers at once.
func story(t *testing.T, tell func(w *actorstest.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := actorstest.NewWorld(t, 1)
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

func on(id string) spec.Dependency { return spec.Dependency{Service: id} }

func TestServiceRuns(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.CheckViews()
		t.Log(w.Trace())
		w.Close()
	})
}
