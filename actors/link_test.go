package actors_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

func TestLossOfTheLinkIsNoExit(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)

		before := w.Events("ext-a")

		for range 3 {
			w.Runtime.Disconnect()
			w.Run(time.Minute)

			if w.State(service.Runtime) != events.StateWaiting || w.State("ext-a") != events.StateRunning {
				w.Fatalf("states %v", w.States())
			}

			w.Runtime.Connect()
			w.Run(time.Minute)
		}

		wantEvents(w, "ext-a", before...)

		// The exit is still seen after that.
		w.Runtime.Exit("ext-a", 3)
		w.Run(10 * time.Second)
		wantCalls(w, "Start", "ext-a", "ext-a")
	})
}

// A listing that began before the link was lost says nothing about the link that there is now.
func TestAListingOfAnEarlierLinkIsStale(t *testing.T) {
	story(t, func(w *actorstest.World) {
		release := make(chan struct{})
		w.Config = func(config *actors.Config) { config.Runtime = slowListing{config.Runtime, release} }

		w.Boot(serve("a"))
		w.Run(time.Second)
		w.Runtime.Disconnect()
		w.Run(time.Second)
		close(release)
		w.Run(time.Second)

		if state := w.State(service.Runtime); state != events.StateWaiting {
			w.Fatalf("the link is down, and shown as %s", state)
		}

		w.Runtime.Connect()
		w.UntilState("ext-a", events.StateRunning)
	})
}

// slowListing answers with what it saw before it was released.
type slowListing struct {
	actors.Runtime
	release chan struct{}
}

func (r slowListing) Observe(ctx context.Context) (map[string]*service.Observed, error) {
	seen, err := r.Runtime.Observe(ctx)
	<-r.release

	return seen, err
}

func TestNothingStartsWhileTheLinkIsDown(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)
		w.Runtime.Disconnect()
		w.Run(time.Second)
		command(w, "ext-a", &events.StartService{})
		w.Run(time.Minute)
		wantCalls(w, "Prepare", "ext-a")

		if last := w.Events("ext-a"); last[len(last)-1] != `[Waiting]: Waiting for service "containerd" to be "up"` {
			w.Fatalf("events %q", last)
		}

		w.Runtime.Connect()
		w.UntilState("ext-a", events.StateRunning)
	})
}

// hangingStart hangs until its context ends.
type hangingStart struct{ actors.Runtime }

func (r hangingStart) Start(ctx context.Context, request service.StartRequest) (actors.Started, error) {
	if request.ID != "ext-a" || request.Attempt > 1 {
		return r.Runtime.Start(ctx, request)
	}

	<-ctx.Done()

	return actors.Started{}, context.Cause(ctx)
}

func TestStopCancelsAStartThatHangs(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Config = func(config *actors.Config) { config.Runtime = hangingStart{config.Runtime} }

		w.Boot(serve("a"), serve("b"))
		w.UntilState("ext-b", events.StateRunning) // a sibling is not held up
		w.Run(time.Hour)

		if state := w.State("ext-a"); state != events.StatePreparing {
			w.Fatalf("a is %s", state)
		}

		begin := time.Now()

		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)

		if took := time.Since(begin); took > time.Second {
			w.Fatalf("the stop took %s", took)
		}

		command(w, "ext-a", &events.StartService{})
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestAnExitWhileTheLinkIsDownIsFound(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Runtime.Disconnect()
		w.Run(time.Minute)
		w.Runtime.Exit("ext-a", 3)
		w.Run(time.Minute)
		w.Runtime.Connect()
		w.Run(time.Minute)

		if lines := w.Events("ext-a"); !slices.Contains(lines, "[Running]: Task ext-a (PID 1001) exited with code 3") {
			w.Fatalf("events %q", lines)
		}

		w.UntilState("ext-a", events.StateRunning)
	})
}

// Somebody deletes the container while nobody looks: it is lost, and the service starts again.
func TestALostTaskIsMissedWhenTheLinkIsBack(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Runtime.Disconnect()
		w.Run(time.Minute)
		w.Runtime.Lose("ext-a")
		w.Runtime.Connect()
		w.Run(time.Minute)
		wantCalls(w, "Start", "ext-a", "ext-a")
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestAdoptionKeepsTheTask(t *testing.T) {
	for _, end := range []func(w *actorstest.World){(*actorstest.World).Crash, (*actorstest.World).Close} {
		story(t, func(w *actorstest.World) {
			w.Boot(serve("a"), serve("b", on("ext-a")))
			w.UntilState("ext-b", events.StateRunning)

			before, _ := w.System.View("ext-b")
			attempts := w.Runtime.Running()

			end(w)
			w.Run(time.Hour)
			w.Clock.Jump(10000 * time.Hour)
			w.Boot(serve("a"), serve("b", on("ext-a")))
			w.Run(time.Minute)

			after, _ := w.System.View("ext-b")
			if after.PID != before.PID || after.Attempt != before.Attempt || after.State != events.StateRunning {
				w.Fatalf("was PID %d attempt %d, is %s PID %d attempt %d", before.PID, before.Attempt, after.State, after.PID, after.Attempt)
			}

			if got := w.Runtime.Running(); len(got) != 2 || got["ext-a"] != attempts["ext-a"] {
				w.Fatalf("running %v, before %v", got, attempts)
			}

			if last := w.Events("ext-b"); last[len(last)-1] != "[Running]: Adopted running task ext-b (PID 1002) for container ext-b" {
				w.Fatalf("events %q", last)
			}

			w.Runtime.Exit("ext-b", 1) // is seen by the new daemon
			w.Run(10 * time.Second)
			wantCalls(w, "Start", "ext-a", "ext-b", "ext-b")
		})
	}
}

func TestAChangedFileRestartsItsService(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Close()

		changed := serve("a")
		changed.Container.Environment = []string{"A=b"}

		w.Boot(changed)
		w.Run(time.Minute)
		wantCalls(w, "Start", "ext-a", "ext-a")

		if lines := w.Events("ext-a"); !slices.Contains(lines, "[Stopping]: Restarting with the changed service file") {
			w.Fatalf("events %q", lines)
		}
	})
}

func TestAContainerWithoutItsFileIsDeleted(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"), serve("b"))
		states(w, map[string]string{"ext-a": events.StateRunning, "ext-b": events.StateRunning})
		w.Close()
		w.Boot(serve("b"))
		w.Run(time.Minute)

		if tasks := w.Runtime.Tasks(); len(tasks) != 1 || tasks["ext-b"] != 1 {
			w.Fatalf("left in the runtime: %v", tasks)
		}
	})
}

// The daemon goes and leaves everything as it is: what it gives up itself is no failure of a service.
func TestCloseRecordsNoFailure(t *testing.T) {
	for seed := range uint64(100) {
		storyOf(t, seed, func(w *actorstest.World) {
			w.Prompt = false
			never := serve("a")
			never.Restart = "never"

			w.Boot(never)
			w.UntilState("ext-a", events.StatePreparing)
			w.Close()

			for _, line := range w.Events("ext-a") {
				if strings.Contains(line, "ailed") {
					w.Fatalf("events %q", w.Events("ext-a"))
				}
			}

			w.Boot(never)
			w.UntilState("ext-a", events.StateRunning)
		})
	}
}

// unreachable is a runtime that says why it cannot be reached, and is never reached.
type unreachable struct {
	actors.Runtime
	reasons chan string
}

func (r unreachable) Link(ctx context.Context, _ func(address, version string), down func(problem error)) {
	for {
		select {
		case reason := <-r.reasons:
			down(errors.New(reason))
		case <-ctx.Done():
			return
		}
	}
}

func TestTheReasonWhyThereIsNoLinkIsShown(t *testing.T) {
	story(t, func(w *actorstest.World) {
		reasons := make(chan string, 1)
		w.Config = func(config *actors.Config) { config.Runtime = unreachable{config.Runtime, reasons} }

		w.Boot(serve("a"))

		for _, reason := range []string{"no such file or directory", "no such file or directory", "connection refused"} {
			reasons <- reason
			w.Run(time.Second)
		}

		wantEvents(w, service.Runtime,
			"[Waiting]: Waiting for containerd: not connected yet",
			"[Waiting]: Waiting for containerd: no such file or directory",
			"[Waiting]: Waiting for containerd: connection refused",
		)
		wantCalls(w, "Start")
	})
}

// What was not known when an exit was recorded is an event of its own, and keeps nothing from starting.
func TestOutputThatIsLostAfterTheExitIsTold(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		w.Runtime.LoseOutput("ext-a")
		w.Runtime.Exit("ext-a", 1)
		w.Run(time.Minute)
		wantCalls(w, "Start", "ext-a", "ext-a")
		w.UntilState("ext-a", events.StateRunning)

		var told []string

		for _, line := range w.Events("ext-a") {
			if strings.Contains(line, "output") {
				told = append(told, line)
			}
		}

		if want := []string{"[Waiting]: Some of the last output of attempt 1 is lost, because its shim was killed"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
