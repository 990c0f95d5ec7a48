package actors_test

import (
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

// The containers are listed in the very moment in which a service ends whose file is gone, so that nobody hears of the
// container that it had: it must not run on without a service.
func TestAListingWhileAServiceIsGoing(t *testing.T) {
	for _, back := range []bool{false, true} {
		for seed := range uint64(60) {
			storyOf(t, seed, func(w *actorstest.World) {
				a, b := serve("a"), serve("b")

				// The journal does not know that it was started.
				w.Runtime.Disconnect()
				w.Boot(a, b)
				w.Run(time.Second)
				w.Journal.Degrade()
				w.Runtime.Connect()
				w.UntilState("ext-a", events.StateRunning)
				w.Runtime.Disconnect()
				w.Crash()
				w.Journal.Repair()

				release := make(chan struct{})
				w.Config = func(config *actors.Config) { config.Runtime = slowListing{config.Runtime, release} }

				w.Boot(a, b)
				w.Runtime.Connect()
				w.Run(time.Second)
				close(release) // and the reload: which one comes first is up to the seed
				wantChanges(w, reloads(w, files(b)), "ext-a removed")

				if back {
					w.Run(time.Millisecond)
					wantChanges(w, reloads(w, files(a, b)), "ext-a added")
				}

				w.Run(time.Minute)

				if _, there := w.Runtime.Tasks()["ext-a"]; there != back {
					w.Fatalf("the runtime has %v", w.Runtime.Tasks())
				}

				if back {
					states(w, map[string]string{"ext-a": events.StateRunning, "ext-b": events.StateRunning})
				}
			})
		}
	}
}

// What cannot be deleted of a service that has ended is tried again: no start and no other daemon may ever come.
func TestWhatCannotBeDeletedIsTriedAgain(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Runtime.FailDelete("ext-a")

		if _, err := w.Command("ext-a", &events.StopService{}); err != nil {
			w.Fatalf("stop: %v", err)
		}

		w.UntilState("ext-a", events.StateFinished)
		w.Run(time.Second)

		if left := w.Runtime.Tasks(); len(left) != 1 {
			w.Fatalf("the container could be deleted: %v", left)
		}

		w.Run(time.Minute)

		if left := w.Runtime.Tasks(); len(left) > 0 {
			w.Fatalf("left: %v", left)
		}

		wantCalls(w, "Delete", "ext-a", "ext-a")
	})
}

// What cannot be deleted of a service whose file is gone is tried again before the service is forgotten, or by the actor
// that the file has when it is there again.
func TestWhatCannotBeDeletedOfARemovedServiceIsTriedAgain(t *testing.T) {
	for name, comesBack := range map[string]bool{"gone": false, "there again": true} {
		t.Run(name, func(t *testing.T) {
			story(t, func(w *actorstest.World) {
				a := serve("a")
				w.Boot(a)
				w.UntilState("ext-a", events.StateRunning)
				w.Runtime.FailDelete("ext-a")

				if _, err := w.Command("ext-a", &events.StopService{}); err != nil {
					w.Fatalf("stop: %v", err)
				}

				w.UntilState("ext-a", events.StateFinished)
				wantChanges(w, reloads(w, files()), "ext-a removed")
				w.Run(time.Second)

				if view, known := w.System.View("ext-a"); !known {
					w.Fatalf("it is forgotten, and nobody deletes what is left: %v", view)
				}

				if comesBack {
					wantChanges(w, reloads(w, files(a)), "ext-a added")
				}

				w.Run(time.Minute)

				if left := w.Runtime.Tasks(); len(left) > 0 {
					w.Fatalf("left: %v", left)
				}

				if _, known := w.System.View("ext-a"); known != comesBack {
					w.Fatalf("known: %v", known)
				}
			})
		})
	}
}
