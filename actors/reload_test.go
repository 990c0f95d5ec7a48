package actors_test

import (
	"slices"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// reloads gives the system other files and tells what that did, as "id action".
func reloads(w *actorstest.World, desired actors.Desired) []string {
	w.T.Helper()

	var did []string

	for _, change := range w.Reload(desired) {
		did = append(did, change.ID+" "+string(change.Action))
	}

	return did
}

func files(services ...*spec.Service) actors.Desired { return actors.Desired{Services: services} }

func wantChanges(w *actorstest.World, got []string, want ...string) {
	w.T.Helper()

	if !slices.Equal(got, want) {
		w.Fatalf("the reload did %q, want %q", got, want)
	}
}

func with(file *spec.Service, change func(*spec.Service)) *spec.Service {
	changed := *file
	change(&changed)

	return &changed
}

func TestReloadAddsChangesAndRemoves(t *testing.T) {
	for seed := range uint64(20) {
		storyOf(t, seed, func(w *actorstest.World) {
			a, b := serve("a"), serve("b", on("ext-c"))
			w.Boot(a, b)
			w.UntilState("ext-a", events.StateRunning)
			w.Run(time.Second)

			// Added: it starts, and so does what waited for it.
			wantChanges(w, reloads(w, files(a, b, serve("c"))), "ext-c added")
			w.UntilState("ext-b", events.StateRunning)

			// What does not matter to the container restarts nothing.
			never := with(a, func(file *spec.Service) {
				file.Restart = spec.RestartNever
				file.Depends = []spec.Dependency{on("ext-c")}
			})
			wantChanges(w, reloads(w, files(never, b, serve("c"))), "ext-a changed")
			w.Run(time.Minute)
			wantCalls(w, "Signal")

			// What matters does, once.
			args := with(never, func(file *spec.Service) { file.Container.Args = []string{"print", "x"} })
			wantChanges(w, reloads(w, files(args, b, serve("c"))), "ext-a changed")
			wantChanges(w, reloads(w, files(args, b, serve("c"))))
			w.Run(time.Minute)
			wantCalls(w, "Signal", "ext-a")
			states(w, map[string]string{"ext-a": events.StateRunning})

			// Removed: it is stopped with its signal and forgotten; who needs it runs on, and waits for it at its next start.
			wantChanges(w, reloads(w, files(args, b)), "ext-c removed")
			w.Until(time.Minute, "c is gone", func() bool { _, known := w.System.View("ext-c"); return !known })
			wantCalls(w, "Signal", "ext-a", "ext-c")
			w.Runtime.Exit("ext-b", 1)
			w.Run(time.Second)

			if waiting, _ := w.System.View("ext-b"); len(waiting.Waiting()) != 1 || waiting.Waiting()[0].Text != `service "ext-c" to be registered` {
				w.Fatalf("b waits for %+v", waiting.Waiting())
			}

			// There again.
			wantChanges(w, reloads(w, files(args, b, serve("c"))), "ext-c added")
			w.UntilState("ext-b", events.StateRunning)
			w.CheckViews()
			shutDown(w, nil)
			wantGone(w)
		})
	}
}

func TestAFileIsThereAgainWhileItsServiceStops(t *testing.T) {
	for seed := range uint64(20) {
		storyOf(t, seed, func(w *actorstest.World) {
			a := serve("a")
			a.Container.Args = []string{"stubborn"}

			w.Boot(a)
			w.UntilState("ext-a", events.StateRunning)
			wantChanges(w, reloads(w, files()), "ext-a removed")
			w.UntilState("ext-a", events.StateStopping)
			wantChanges(w, reloads(w, files(a)), "ext-a added")
			wantChanges(w, reloads(w, files(a)))
			w.UntilState("ext-a", events.StateRunning)
			wantCalls(w, "Start", "ext-a", "ext-a")
		})
	}
}

func TestAnInvalidFileLeavesItsServiceAlone(t *testing.T) {
	story(t, func(w *actorstest.World) {
		a := serve("a")
		a.Source = "/s/a.yaml"
		rejected := actors.Desired{Rejected: []*events.SpecRejected{{File: "/s/a.yaml", Problems: []string{"1:2"}}}}

		w.Boot(a)
		w.UntilState("ext-a", events.StateRunning)
		wantChanges(w, reloads(w, rejected), "ext-a ignored")
		w.Run(time.Minute)

		if view, _ := w.System.View("ext-a"); view.FileProblem == "" || view.State != events.StateRunning {
			w.Fatalf("%s, problem %q", view.State, view.FileProblem)
		}

		wantChanges(w, reloads(w, files(a)))
		w.Run(time.Second)

		if view, _ := w.System.View("ext-a"); view.FileProblem != "" {
			w.Fatalf("problem %q", view.FileProblem)
		}

		wantCalls(w, "Start", "ext-a")
		w.CheckViews()
	})
}

// A directory that cannot be read, as on a disk that is failing, says nothing of the files in it: neither the services that
// run nor those that the next daemon finds are stopped for it.
func TestADirectoryThatCannotBeReadLeavesServicesAlone(t *testing.T) {
	story(t, func(w *actorstest.World) {
		a := serve("a")
		a.Source = "/s/a.yaml"
		unreadable := actors.Desired{Rejected: []*events.SpecRejected{{File: "/s", Problems: []string{"0:0"}}}}

		w.Boot(a)
		w.UntilState("ext-a", events.StateRunning)
		wantChanges(w, reloads(w, unreadable), "ext-a ignored")
		w.Run(time.Minute)

		if view, _ := w.System.View("ext-a"); view.FileProblem != "/s cannot be read" || view.State != events.StateRunning {
			w.Fatalf("%s, problem %q", view.State, view.FileProblem)
		}

		w.Close()

		w.Config = func(config *actors.Config) { config.Desired.Rejected = unreadable.Rejected }

		w.Boot()
		w.Run(time.Minute)

		if view, _ := w.System.View("ext-a"); view.FileProblem == "" || view.State != events.StateRunning {
			w.Fatalf("after the daemon was started again: %s, problem %q", view.State, view.FileProblem)
		}

		wantChanges(w, reloads(w, files(a)), "ext-a added")
		w.Run(time.Minute)

		if view, _ := w.System.View("ext-a"); view.FileProblem != "" || view.State != events.StateRunning {
			w.Fatalf("readable again: %s, problem %q", view.State, view.FileProblem)
		}

		wantCalls(w, "Start", "ext-a")
		wantCalls(w, "Signal")
		w.CheckViews()
	})
}

// A container without a service file is ended with the signal that it was started with, also where the journal that
// knew of it is lost.
func TestAnOrphanIsEndedWhateverTheJournalKnows(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for seed := range uint64(30) {
			storyOf(t, seed, func(w *actorstest.World) {
				a := serve("a")
				a.Extactor.Stop = spec.Stop{Signal: "SIGINT", Timeout: 3 * time.Second}

				w.Boot(a)
				w.UntilState("ext-a", events.StateRunning)
				w.Close()

				if lost {
					w.Journal.Lose()
				}

				w.Boot()
				w.Run(time.Minute)

				if tasks := w.Runtime.Tasks(); len(tasks) > 0 {
					w.Fatalf("left in the runtime: %v", tasks)
				}

				if _, known := w.System.View("ext-a"); known {
					w.Fatalf("the orphan is still known")
				}

				want := "SIGINT"
				if lost {
					want = "SIGTERM"
				}

				var sent []string

				for _, call := range w.Runtime.Calls() {
					if call.Method == "Signal" {
						sent = append(sent, call.Signal)
					}
				}

				if !slices.Equal(sent, []string{want}) {
					w.Fatalf("sent %q", sent)
				}
			})
		}
	}
}

// The daemon died while it prepared; the file was gone for the next one and came back: nobody else reports the outcome.
func TestAFileThatComesBackUnderAnotherDaemonStarts(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StatePreparing)
		w.Crash()
		w.Runtime.Lose("ext-a")
		w.Boot()
		w.Run(time.Second)
		wantChanges(w, reloads(w, files(serve("a"))), "ext-a added")
		w.UntilState("ext-a", events.StateRunning)
	})
}

func TestConfigurationComesChangesAndGoes(t *testing.T) {
	story(t, func(w *actorstest.World) {
		a := serve("a", spec.Dependency{Configuration: true})
		config := func(content string) *spec.Config {
			return &spec.Config{Name: "a", Files: []spec.ConfigFile{{MountPath: "/a", Content: content}}}
		}
		configured := func(file *spec.Service, configs ...*spec.Config) actors.Desired {
			return actors.Desired{Services: []*spec.Service{file}, Configs: configs}
		}

		w.Boot(a)
		w.Run(time.Second)
		wantChanges(w, reloads(w, configured(a, config("1"))), "ext-a changed") // while waiting
		w.UntilState("ext-a", events.StatePreparing)
		wantChanges(w, reloads(w, configured(a, config("2"))), "ext-a changed") // while preparing
		w.UntilState("ext-a", events.StateRunning)
		wantCalls(w, "Start", "ext-a")
		reloads(w, configured(a, config("3"))) // while running
		w.Run(time.Second)
		wantCalls(w, "Start", "ext-a", "ext-a")

		none := with(a, func(file *spec.Service) { file.Extactor.OnConfigChange = spec.ConfigIgnored })
		reloads(w, configured(none, config("4")))
		w.Run(time.Second)
		wantCalls(w, "Start", "ext-a", "ext-a")

		if view, _ := w.System.View("ext-a"); !view.RestartPending() {
			w.Fatalf("no restart is pending")
		}

		signalled := with(a, func(file *spec.Service) {
			file.Extactor.OnConfigChange, file.Extactor.ConfigSignal = spec.ConfigSignals, "SIGHUP"
		})
		reloads(w, configured(signalled, config("5")))
		w.Run(time.Second)
		wantCalls(w, "UpdateConfig", "ext-a")
		wantCalls(w, "Start", "ext-a", "ext-a")

		reloads(w, configured(signalled, nil...)) // gone: a signal cannot say so where it is depended on
		w.Run(time.Second)
		w.Runtime.EndAfter("ext-a", time.Millisecond, 1)
		reloads(w, configured(a, config("6")))
		w.Run(10 * time.Second) // in backoff by now
		w.Runtime.EndAfter("ext-a", 0, 0)
		reloads(w, configured(a, config("7")))
		w.Run(time.Minute)
		w.UntilState("ext-a", events.StateRunning)
		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)
		reloads(w, configured(a, config("8"))) // stopped: it stays so
		w.Run(time.Minute)
		w.UntilState("ext-a", events.StateFinished)
		w.CheckViews()
	})
}

func TestHostServices(t *testing.T) {
	story(t, func(w *actorstest.World) {
		w.Prober.SetHost("cri", false, "nobody answers")
		w.Boot(serve("a", on("cri")), serve("b", on("udevd")))
		w.Run(time.Second)
		w.UntilState("cri", events.StateWaiting)
		w.Prober.SetHost("cri", true, "answers")
		w.Run(time.Second)
		states(w, map[string]string{"cri": events.StateRunning, "ext-a": events.StateRunning, "ext-b": events.StateWaiting})

		if view, _ := w.System.View("ext-b"); view.Waiting()[0].Text != `service "udevd" to be registered` {
			w.Fatalf("b waits for %+v", view.Waiting())
		}

		if _, err := w.Command("cri", &events.StopService{}); err == nil || err.Error() != `cannot control service "cri": it is the host's` {
			w.Fatalf("error %v", err)
		}

		w.Prober.SetHost("udevd", true, "assumed")
		reloads(w, files(serve("b", on("udevd")))) // a is gone, and with it the need for cri
		w.UntilState("ext-b", events.StateRunning)
		w.Run(time.Minute)

		if _, known := w.System.View("cri"); known || w.Prober.Watched("cri") > 0 {
			w.Fatalf("nobody needs cri, yet it is watched")
		}
	})
}

func TestHealthDecidesWhoIsUp(t *testing.T) {
	story(t, func(w *actorstest.World) {
		a := serve("a")
		a.Extactor.Health = &spec.Health{TCP: "127.0.0.1:1", OnFailure: spec.HealthFailureNone}

		w.Boot(a, serve("b", on("ext-a")))
		w.UntilState("ext-a", events.StateRunning)
		w.Run(time.Minute)

		task := service.Task{ID: "ext-a", Attempt: 1}
		report := func(healthy bool) {
			w.T.Helper()

			if !w.Prober.Report(task, healthy, "said") {
				w.Fatalf("nobody monitors it")
			}
		}

		report(false)
		w.Run(time.Minute)
		wantCalls(w, "Start", "ext-a")
		report(true)
		w.UntilState("ext-b", events.StateRunning)

		// How it is checked matters from now on, and restarts nothing.
		other := with(a, func(file *spec.Service) { file.Extactor.Health = &spec.Health{TCP: "127.0.0.1:2"} })
		reloads(w, files(other, serve("b", on("ext-a"))))
		w.Run(time.Second)

		if checked := w.Prober.Health(task); checked == nil || checked.TCP != "127.0.0.1:2" {
			w.Fatalf("checked by %+v", checked)
		}

		reloads(w, files(serve("a"), serve("b", on("ext-a"))))
		w.Run(time.Second)

		if checked := w.Prober.Health(task); checked != nil {
			w.Fatalf("still checked by %+v", checked)
		}

		wantCalls(w, "Start", "ext-a", "ext-b")
	})
}

func TestUntilCompletedAndLimits(t *testing.T) {
	story(t, func(w *actorstest.World) {
		once := serve("once")
		once.Restart, once.Container.Args = spec.RestartNever, []string{"exit", "0"}

		after := serve("after", on("ext-once"))
		after.Extactor.Depends = []spec.DependencyOptions{{Dependency: on("ext-once"), Until: spec.UntilCompleted}}

		made := []*spec.Service{once, after}

		for _, action := range []spec.TimeoutAction{spec.TimeoutWaits, spec.TimeoutSkips, spec.TimeoutFails} {
			late := serve(string(action), spec.Dependency{Path: path.Name})
			late.Extactor.Depends = []spec.DependencyOptions{{Dependency: late.Depends[0], Timeout: time.Minute, OnTimeout: action}}
			made = append(made, late)
		}

		w.Boot(made...)
		w.Run(50 * time.Second)
		states(w, map[string]string{"ext-after": events.StateRunning})

		if skipped := w.State("ext-skip"); skipped != events.StateWaiting {
			w.Fatalf("too early: %s", skipped)
		}

		w.Run(20 * time.Second)
		states(w, map[string]string{"ext-wait": events.StateWaiting, "ext-skip": events.StateSkipped, "ext-fail": events.StateFailed})
		w.Watcher.Set(path, exists)
		w.UntilState("ext-wait", events.StateRunning)
	})
}

func TestACycleIsFoundByAReloadAndGoesWithTheNext(t *testing.T) {
	story(t, func(w *actorstest.World) {
		cycle := func(id string) []string { view, _ := w.System.View(id); return view.Cycle }

		w.Boot(serve("a", on("ext-b")), serve("b"))
		w.UntilState("ext-a", events.StateRunning)
		reloads(w, files(serve("a", on("ext-b")), serve("b", on("ext-a"))))
		w.Run(time.Second)

		if got := cycle("ext-b"); !slices.Equal(got, []string{"ext-b", "ext-a", "ext-b"}) {
			w.Fatalf("cycle %q", got)
		}

		reloads(w, files(serve("a", on("ext-b")), serve("b")))
		w.Run(time.Second)

		if got := cycle("ext-b"); got != nil {
			w.Fatalf("cycle %q", got)
		}
	})
}

func TestShutdownDuringAReload(t *testing.T) {
	for seed := range uint64(30) {
		storyOf(t, seed, func(w *actorstest.World) {
			a := serve("a")
			w.Boot(a, serve("b"))
			w.UntilState("ext-a", events.StateRunning)
			w.UntilState("ext-b", events.StateRunning)
			reloads(w, files(serve("b"), serve("c")))
			reloads(w, files(a, serve("b"), serve("c")))
			shutDown(w, nil)

			if tasks := w.Runtime.Tasks(); len(tasks) > 0 {
				w.Fatalf("left in the runtime: %v", tasks)
			}
		})
	}
}
