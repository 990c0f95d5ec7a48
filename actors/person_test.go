package actors_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

func TestACommandIsSyncedWhenItIsAnswered(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)

		seq := command(w, "ext-a", &events.StopService{})
		if synced := w.Journal.Synced(); seq == 0 || synced < seq {
			w.Fatalf("answered with %d, synced up to %d", seq, synced)
		}

		w.UntilState("ext-a", events.StateFinished)
		w.CheckPresses()

		// One that changes nothing is answered with what is there.
		last := w.Journal.Records()[len(w.Journal.Records())-1].Seq
		if again := command(w, "ext-a", &events.StopService{}); again != last {
			w.Fatalf("answered with %d, the last record is %d", again, last)
		}
	})
}

func TestAnUnknownServiceIsNamedWithThoseThereAre(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"), serve("b"))

		_, err := w.Command("ext-x", &events.StartService{})
		if !errors.Is(err, actors.ErrUnknownService) || err.Error() != `no such service "ext-x", known are: ext-a, ext-b` {
			w.Fatalf("error %v", err)
		}

		if _, err = w.Command(service.Runtime, &events.StopService{}); err == nil || err.Error() != `cannot control service "containerd": it is built in` {
			w.Fatalf("error %v", err)
		}
	})
}

func TestWithoutServicesAnUnknownOneIsNotListed(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot()

		if _, err := w.Command("ext-x", &events.StartService{}); err == nil || err.Error() != `no such service "ext-x": no service is loaded` {
			w.Fatalf("error %v", err)
		}

		w.Do(func() {
			if err := w.System.Snapshot(w.T.Context()); err != nil {
				w.T.Error(err)
			}
		})
		shutDown(w, nil)
	})
}

func TestNoCommandsDuringShutdown(t *testing.T) {
	story(t, func(w *actorstest.World) {
		stubborn := serve("a")
		stubborn.Container.Args = []string{"stubborn"}

		w.Boot(stubborn, serve("b"))
		w.UntilState("ext-a", events.StateRunning)

		var ended atomic.Bool

		go func() {
			if err := w.System.Shutdown(w.T.Context(), nil); err != nil {
				w.T.Error(err)
			}

			ended.Store(true)
		}()

		w.UntilState("ext-b", events.StateFinished)

		if _, err := w.Command("ext-b", &events.StartService{}); err == nil || err.Error() != `cannot control service "ext-b": the daemon is shutting down` {
			w.Fatalf("error %v", err)
		}

		w.UntilState("ext-a", events.StateFinished)
		w.Run(time.Second)

		if !ended.Load() {
			w.Fatalf("shutdown has not ended")
		}
	})
}

// The start was accepted before the shutdown, though the service gets to know of it after: it must not be left running.
func TestAStartJustBeforeShutdownIsStoppedToo(t *testing.T) {
	for seed := range uint64(30) {
		storyOf(t, seed, func(w *actorstest.World) {
			w.Boot(serve("a"))
			w.UntilState("ext-a", events.StateRunning)
			command(w, "ext-a", &events.StopService{})
			w.UntilState("ext-a", events.StateFinished)
			w.Run(time.Second)
			w.Press("ext-a", &events.StartService{})
			shutDown(w, nil)
			wantGone(w)
		})
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Runtime.Disconnect()
		w.Do(func() {
			ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
			defer cancel()

			if err := w.System.Shutdown(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		})
	})
}

func TestManualStopSurvivesTheDaemonButNotTheBoot(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)

		w.Crash()
		w.Boot(serve("a"))
		w.Run(time.Minute)
		wantCalls(w, "Start", "ext-a")

		w.Crash()
		w.BootID = "boot-2"
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestAShutDownServiceStartsWithTheNextDaemon(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		shutDown(w, nil)
		w.Close()
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
	})
}

// What retention keeps of a service, its snapshot, is enough for the next daemon to go on, and to show the same.
func TestASnapshotStandsForTheHistoryBeforeIt(t *testing.T) {
	story(t, func(w *actorstest.World) {
		failing := serve("b")
		failing.Restart = spec.RestartUntilSuccess

		w.Runtime.EndAfter("ext-b", time.Second, 3)
		w.Boot(serve("a", spec.Dependency{Path: path.Name}), failing, serve("c"))
		w.UntilState("ext-c", events.StateRunning)
		command(w, "ext-c", &events.StopService{})
		w.Run(5 * time.Second)
		w.Do(func() {
			if err := w.System.Snapshot(w.T.Context()); err != nil {
				w.T.Error(err)
			}
		})

		before := views(w)

		w.Crash()
		w.Journal.ForgetBeforeSnapshots()

		for id, want := range before {
			got := events.NewView(id)
			for _, record := range w.Journal.Records() {
				if record.Service == id {
					got = got.Apply(record)
				}
			}

			if diff := cmp.Diff(bare(want), bare(got), protocmp.Transform()); diff != "" {
				w.Fatalf("view of %s after replay from the snapshot (-before +after):\n%s", id, diff)
			}
		}

		w.Boot(serve("a", spec.Dependency{Path: path.Name}), failing, serve("c"))
		w.Run(time.Minute)
		w.CheckViews()

		if state := w.State("ext-c"); state != events.StateFinished {
			w.Fatalf("what a person had stopped is %s", state)
		}
	})
}

func views(w *actorstest.World) map[string]events.View {
	views := make(map[string]events.View)

	for _, view := range w.System.Views() {
		if view.ID != service.Runtime {
			views[view.ID] = view
		}
	}

	return views
}

// bare is a view without what a snapshot does not keep: lines and how long something has been so.
func bare(view events.View) events.View {
	view.Recent, view.Since, view.Problem = nil, events.Moment{}, ""

	for i := range view.Conditions {
		view.Conditions[i].Since = events.Moment{}
	}

	return view
}
