package actors_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// brokenJournal panics when it is to keep an event of a kind of one service.
type brokenJournal struct {
	actors.Journal
	service string
	kind    string
}

func (j brokenJournal) Append(decision events.Decision) events.Receipt {
	for _, entry := range decision.Entries {
		if decision.Service == j.service && entry.Event.KindName() == j.kind {
			panic("the journal is broken")
		}
	}

	return j.Journal.Append(decision)
}

func breakJournal(w *actorstest.World, id, kind string) {
	w.Config = func(config *actors.Config) {
		config.Journal = brokenJournal{Journal: config.Journal, service: id, kind: kind}
	}
}

// brokenRuntime panics in one method for one service.
type brokenRuntime struct {
	actors.Runtime
	id, method string
}

func (r brokenRuntime) check(id, method string) {
	if id == r.id && method == r.method {
		panic("the runtime is broken")
	}
}

func (r brokenRuntime) Start(ctx context.Context, request service.StartRequest) (actors.Started, error) {
	r.check(request.ID, "Start")

	return r.Runtime.Start(ctx, request)
}

func (r brokenRuntime) Wait(ctx context.Context, task service.Task) (*service.Exit, error) {
	r.check(task.ID, "Wait")

	return r.Runtime.Wait(ctx, task)
}

func (r brokenRuntime) Kill(ctx context.Context, task service.Task) error {
	r.check(task.ID, "Kill")

	return r.Runtime.Kill(ctx, task)
}

func wantQuarantine(w *actorstest.World, id, problem string) {
	w.T.Helper()

	last := w.Events(id)
	if line := last[len(last)-1]; !strings.HasSuffix(line, "Quarantined after an internal error, its container is left alone: "+problem) {
		w.Fatalf("events of %s: %q", id, last)
	}

	if view, _ := w.System.View(id); !view.Quarantined || !strings.HasSuffix(view.Problem, problem) {
		w.Fatalf("status of %s says %q", id, view.Problem)
	}

	w.CheckViews()
}

func TestAPanicQuarantinesOneService(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-a", "TaskExited")
		w.Boot(serve("a"), serve("b"))
		states(w, map[string]string{"ext-a": events.StateRunning, "ext-b": events.StateRunning})
		w.Runtime.Exit("ext-a", 1)
		w.Runtime.Exit("ext-b", 1)
		w.Run(time.Minute)
		wantQuarantine(w, "ext-a", "the journal is broken")
		wantCalls(w, "Start", "ext-a", "ext-b", "ext-b")

		if _, err := w.Command("ext-a", &events.StartService{}); err == nil || !strings.Contains(err.Error(), "quarantined") {
			w.Fatalf("start was answered with %v", err)
		}

		shutDown(w, nil)

		if tasks := w.Runtime.Tasks(); len(tasks) > 0 {
			w.Fatalf("left in the runtime: %v", tasks)
		}
	})
}

func TestStopDeletesWhatIsQuarantined(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-a", "StopBegan")
		w.Boot(serve("a"), serve("b"))
		states(w, map[string]string{"ext-a": events.StateRunning, "ext-b": events.StateRunning})

		if _, err := w.Command("ext-a", &events.StopService{}); err == nil || !strings.Contains(err.Error(), "internal error") {
			w.Fatalf("the command that broke it was answered with %v", err)
		}

		wantQuarantine(w, "ext-a", "the journal is broken")

		if running := w.Runtime.Running(); running["ext-a"] == 0 {
			w.Fatalf("the container was not left alone: %v", running)
		}

		command(w, "ext-a", &events.StopService{})
		w.Run(time.Minute)

		if running := w.Runtime.Running(); len(running) != 1 || running["ext-b"] == 0 {
			w.Fatalf("running after the stop: %v", running)
		}

		// It stays so under the next daemon.
		w.Close()

		w.Config = nil
		w.Boot(serve("a"), serve("b"))
		w.Run(time.Minute)

		if view, _ := w.System.View("ext-a"); view.State != events.StateFinished || view.Desired != events.DesiredStopped || view.Quarantined {
			w.Fatalf("under the next daemon: %+v", view)
		}
	})
}

// Nobody would follow what the health check of a quarantined service says.
func TestTheHealthOfWhatIsQuarantinedIsNotChecked(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-a", "HealthChanged")

		file := serve("a")
		file.Extactor.Health = &spec.Health{}
		w.Boot(file)
		w.UntilState("ext-a", events.StateRunning)

		task := service.Task{ID: "ext-a", Attempt: 1}
		if w.Prober.Health(task) == nil {
			w.Fatalf("nobody checks the health")
		}

		w.Prober.SetHealth("ext-a", false)
		w.Run(time.Minute)
		wantQuarantine(w, "ext-a", "the journal is broken")

		if w.Prober.Health(task) != nil {
			w.Fatalf("the health is still checked")
		}

		if view, _ := w.System.View("ext-a"); !view.Health.Unknown {
			w.Fatalf("health %+v", view.Health)
		}
	})
}

func TestAPanicDuringShutdownDoesNotHoldItUp(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-b", "StopBegan")
		w.Boot(serve("a"), serve("b", on("ext-a")))
		w.UntilState("ext-b", events.StateRunning)

		begin := time.Now()
		shutDown(w, nil)

		if tasks := w.Runtime.Tasks(); len(tasks) > 0 || time.Since(begin) > time.Minute {
			w.Fatalf("left in the runtime: %v, after %s", tasks, time.Since(begin))
		}
	})
}

func TestAPanicInACallQuarantinesOneService(t *testing.T) {
	for _, method := range []string{"Start", "Wait", "Kill"} {
		story(t, func(w *actorstest.World) {
			w.Config = func(config *actors.Config) { config.Runtime = brokenRuntime{config.Runtime, "ext-a", method} }

			stubborn := serve("a")
			stubborn.Container.Args = []string{"stubborn"}

			w.Boot(stubborn, serve("b"))
			w.UntilState("ext-b", events.StateRunning)

			if method == "Kill" {
				command(w, "ext-a", &events.StopService{})
			}

			w.Run(time.Minute)
			wantQuarantine(w, "ext-a", "the runtime is broken")
			command(w, "ext-a", &events.StopService{})
			w.Run(time.Minute)

			if running := w.Runtime.Tasks(); len(running) != 1 || running["ext-b"] == 0 {
				w.Fatalf("%s: in the runtime after the stop: %v", method, running)
			}

			shutDown(w, nil)
		})
	}
}

func TestTheNextDaemonAdoptsWhatWasQuarantined(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-a", "ConditionChanged")
		w.Boot(serve("a"))
		w.Run(time.Minute)
		wantQuarantine(w, "ext-a", "the journal is broken")
		w.Close()

		w.Config = nil
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestAPanicDuringASnapshotDoesNotHoldUpTheOthers(t *testing.T) {
	story(t, func(w *actorstest.World) {
		breakJournal(w, "ext-a", "Snapshot")
		w.Boot(serve("a"), serve("b"))
		w.UntilState("ext-b", events.StateRunning)
		w.Do(func() {
			ctx, cancel := context.WithTimeout(w.T.Context(), time.Minute)
			defer cancel()

			if err := w.System.Snapshot(ctx); err != nil {
				w.T.Error(err)
			}
		})
		wantQuarantine(w, "ext-a", "the journal is broken")
	})
}

func TestAPanicElsewhereIsFatal(t *testing.T) {
	for name, test := range map[string]struct{ service, kind, want string }{
		"root":       {"", "DaemonStarted", "the journal is broken"},
		"runtime":    {service.Runtime, "RuntimeConnected", "the journal is broken"},
		"quarantine": {"ext-a", "", ""},
		"condition":  {"", "", "the watcher of /panic is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(w *actorstest.World) {
				w.FatalAllowed = true

				file := serve("a")

				switch name {
				case "condition":
					file.Depends = []spec.Dependency{{Path: "/panic"}}
				case "quarantine": // a journal that keeps nothing at all is no matter of one service
					test.want = "the journal is gone"
					w.Config = func(config *actors.Config) { config.Journal = goneJournal{config.Journal} }
				default:
					breakJournal(w, test.service, test.kind)
				}

				w.Boot(file)
				w.Run(time.Minute)

				if len(w.Fatals) != 1 || w.Fatals[0] != test.want {
					w.Fatalf("fatal: %q", w.Fatals)
				}
			})
		})
	}
}

// goneJournal panics at everything about services.
type goneJournal struct{ actors.Journal }

func (j goneJournal) Append(decision events.Decision) events.Receipt {
	if strings.HasPrefix(decision.Service, "ext-") {
		panic("the journal is gone")
	}

	return j.Journal.Append(decision)
}
