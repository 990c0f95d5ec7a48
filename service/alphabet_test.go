package service_test

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// The names of the things that every test of the machine speaks of.
const (
	testID        = "ext-hello-world"
	containerdKey = "service:containerd"
	hashA, hashB  = "v1:aa", "v1:bb"
	grace         = 10 * time.Second
	present       = int64(1000 * time.Second) // CLOCK_BOOTTIME at which commands are given, unless their point is the time
)

// input is one letter of the alphabet that the machine is fed with. It is made for the state that it meets, so that "this
// attempt" and "an earlier one" mean the same everywhere.
type input struct {
	name  string
	stale bool // it belongs to another attempt: it must change nothing
	leaf  bool // what it leads to is judged, and not explored further
	make  func(service.State) *events.Command
}

// variant is a service file as far as it decides how a service lives.
type variant struct {
	restart        string
	onConfigChange string
	health         string // onFailure of its check; empty: none
	timeout        string // what follows when the time limit of a dependency is over; empty: none
}

// variants lead everywhere; more of them would lead to the same places again.
func variants() []variant {
	return []variant{
		{restart: "always", onConfigChange: "signal"}, {restart: "never"},
		{restart: "untilSuccess", timeout: "skip"}, {restart: "always", health: "restart", timeout: "fail"},
	}
}

// limited is how long a service waits for its dependency where that has a limit.
const limited = 20 * time.Second

func (v variant) lifecycle(hash string) *events.Lifecycle {
	made := lifecycle(v.restart, hash)
	made.OnConfigChange, made.ConfigSignal = v.onConfigChange, "SIGHUP"
	made.HealthCheck, made.RestartUnhealthy = v.health != "", v.health == "restart"

	if v.timeout != "" {
		made.Timeouts = []*events.DependencyTimeout{{Key: containerdKey, TimeoutNs: int64(limited), Action: v.timeout}}
	}

	return made
}

// alphabet is every kind of command in every form that the machine could tell apart.
func alphabet(of variant) []input {
	inputs := slices.Concat(loads(of), persons(), conditions(), changes(of))
	for _, attempt := range []string{"this", "earlier", "later"} {
		inputs = append(inputs, outcomes(attempt)...)
	}

	return append(inputs, recoveries()...)
}

func at(bootNS int64) *events.Instant { return &events.Instant{BootNs: bootNS} }

func given(name string, order events.Order) input {
	return input{name: name, make: func(service.State) *events.Command { return events.NewCommand(at(present), nil, order) }}
}

func lifecycle(restart, hash string) *events.Lifecycle {
	return &events.Lifecycle{
		Restart: restart, StopSignal: "SIGTERM", StopTimeoutNs: int64(grace), SpecHash: hash, Depends: []string{containerdKey},
	}
}

func loads(of variant) []input {
	load := func(name string, make func(service.State) *events.LoadSpec) input {
		return input{name: name, make: func(state service.State) *events.Command {
			return events.NewCommand(at(present), nil, make(state))
		}}
	}

	bootOf := func(state service.State) string {
		if state.BootID == "" {
			return "boot-1"
		}

		return state.BootID
	}

	return []input{
		load("load", func(state service.State) *events.LoadSpec {
			return &events.LoadSpec{Lifecycle: of.lifecycle(hashA), BootId: bootOf(state)}
		}),
		load("load(changed file)", func(state service.State) *events.LoadSpec {
			return &events.LoadSpec{Lifecycle: of.lifecycle(hashB), BootId: bootOf(state)}
		}),
		load("load(new boot)", func(state service.State) *events.LoadSpec {
			return &events.LoadSpec{Lifecycle: of.lifecycle(hashA), BootId: bootOf(state) + "+"}
		}),
	}
}

func persons() []input {
	return []input{
		given("start", &events.StartService{}),
		given("stop", &events.StopService{}),
		given("restart", &events.RestartService{}),
		given("signal", &events.SignalService{Signal: "SIGUSR1"}),
		given("signal(kill)", &events.SignalService{Signal: "SIGKILL"}),
		given("shutdown", &events.ShutdownService{}),
		given("shutdown(hurry)", &events.ShutdownService{Hurry: true}),
	}
}

func conditions() []input {
	return []input{
		given("met", &events.ObserveCondition{Key: containerdKey, Met: true}),
		given("unmet", &events.ObserveCondition{Key: containerdKey, Text: `service "containerd" to be "up"`}),
		given("met(added)", &events.ObserveCondition{Key: addedKey, Met: true}),
		given("unmet(added)", &events.ObserveCondition{Key: addedKey, Text: `file "/added" to exist`}),
		given("met(not ours)", &events.ObserveCondition{Key: "path:/not/ours", Met: true}),
	}
}

// addedKey is of a dependency that a changed file may add.
const addedKey = "path:/added"

// changes are what can become of a file and of a configuration while the daemon runs.
func changes(of variant) []input {
	change := func(name string, leaf bool, change func(*events.Lifecycle)) input {
		return input{name: "change(" + name + ")", leaf: leaf, make: func(state service.State) *events.Command {
			changed := &events.Lifecycle{}
			if state.Lifecycle != nil {
				changed = proto.CloneOf(state.Lifecycle)
			}

			change(changed)

			return events.NewCommand(at(present), nil, &events.ChangeSpec{Lifecycle: changed})
		}}
	}
	other := func(now, one, two string) string {
		if now == one {
			return two
		}

		return one
	}

	return []input{
		change("nothing", false, func(*events.Lifecycle) {}),
		change("file", true, func(l *events.Lifecycle) { l.SpecHash = other(l.GetSpecHash(), hashA, hashB) }),
		change("configuration", of.onConfigChange == "", func(l *events.Lifecycle) { l.ConfigFilesHash = other(l.GetConfigFilesHash(), "f1", "") }),
		change("configured environment", true, func(l *events.Lifecycle) {
			l.ConfigEnvironmentHash = other(l.GetConfigEnvironmentHash(), "e1", "")
		}),
		change("depends", true, func(l *events.Lifecycle) {
			if len(l.GetDepends()) > 1 {
				l.Depends = []string{containerdKey}
			} else {
				l.Depends = []string{containerdKey, addedKey}
			}
		}),
		change("restart", true, func(l *events.Lifecycle) { l.Restart = other(l.GetRestart(), "always", "never") }),
		change("onConfigChange", true, func(l *events.Lifecycle) { l.OnConfigChange = other(l.GetOnConfigChange(), "restart", "none") }),
		change("health", true, func(l *events.Lifecycle) { l.HealthCheck = !l.GetHealthCheck() }),
		change("timeouts", true, func(l *events.Lifecycle) {
			l.Timeouts = []*events.DependencyTimeout{{Key: containerdKey, TimeoutNs: int64(time.Second), Action: "fail"}}
		}),
		given("remove", &events.RemoveService{}),
	}
}

// related returns the attempt that stands in this relation to the one of the state.
func related(state service.State, relation string) uint64 {
	switch relation {
	case "earlier":
		return max(state.Attempt, 1) - 1
	case "later":
		return state.Attempt + 1
	default:
		return state.Attempt
	}
}

// outcomes are the commands that carry an attempt: timers, and what became of effects.
func outcomes(relation string) []input {
	name := func(base string) string {
		if relation == "this" {
			return base
		}

		return fmt.Sprintf("%s(%s attempt)", base, relation)
	}
	outcome := func(base string, when func(service.State) int64, make func(attempt uint64) events.Order) input {
		return input{name: name(base), stale: relation != "this", make: func(state service.State) *events.Command {
			return events.NewCommand(at(when(state)), nil, make(related(state, relation)))
		}}
	}
	now := func(service.State) int64 { return present }
	timer := func(timer events.Timer) func(uint64) events.Order {
		return func(attempt uint64) events.Order {
			return &events.ElapseTimer{Attempt: attempt, Timer: timer, Key: containerdKey}
		}
	}
	limit := func(early int64) func(service.State) int64 {
		return func(state service.State) int64 { return state.WaitingSince + int64(limited) - early }
	}
	health := func(healthy bool) func(uint64) events.Order {
		return func(attempt uint64) events.Order {
			return &events.ReportHealth{Attempt: attempt, Healthy: healthy, Message: fmt.Sprint(healthy)}
		}
	}
	exit := func(exit *service.Exit) func(uint64) events.Order {
		return func(attempt uint64) events.Order { return &events.ReportExited{Attempt: attempt, Exit: exit} }
	}

	reported := []input{
		outcome("backoff timer", now, timer(events.Timer_TIMER_BACKOFF)),
		outcome("stop timer", func(state service.State) int64 { return state.StopUntil }, timer(events.Timer_TIMER_STOP)),
		outcome("stop timer, early", func(state service.State) int64 { return state.StopUntil - 1 }, timer(events.Timer_TIMER_STOP)),
		outcome("prepared", now, func(attempt uint64) events.Order { return &events.ReportPrepared{Attempt: attempt} }),
		outcome("started", now, func(attempt uint64) events.Order {
			return &events.ReportStarted{Attempt: attempt, Pid: 7, Container: testID}
		}),
		outcome("start failed", now, func(attempt uint64) events.Order {
			return &events.ReportStartFailed{Attempt: attempt, Problem: "no such file"}
		}),
		outcome("exited 3", now, exit(&service.Exit{Known: true, Code: 3})),
		outcome("dependency timer", limit(0), timer(events.Timer_TIMER_DEPENDENCY)),
		outcome("dependency timer, early", limit(1), timer(events.Timer_TIMER_DEPENDENCY)),
		outcome("healthy", now, health(true)),
		outcome("unhealthy", now, health(false)),
		outcome("configuration refused", now, func(attempt uint64) events.Order {
			return &events.ReportConfigRefused{Attempt: attempt, Problem: "a file more"}
		}),
		lost(name("output lost"), relation),
		delivered(name("configuration delivered"), relation, 0),
	}

	if relation != "this" {
		return reported // how another attempt ended makes no difference
	}

	late := delivered("an earlier configuration delivered", relation, 1)
	late.stale = true

	return append(reported, late,
		outcome("exited 0", now, exit(&service.Exit{Known: true})),
		outcome("exited SIGSEGV", now, exit(&service.Exit{Known: true, Code: 139, Signal: 11})),
		outcome("exited oom", now, exit(&service.Exit{Known: true, Code: 137, Signal: 9, Oom: true})),
		outcome("exited unknown", now, exit(&service.Exit{})),
		outcome("exited 3 after 60s", func(state service.State) int64 {
			return state.Started.GetBootNs() + int64(time.Minute)
		}, exit(&service.Exit{Known: true, Code: 3})),
	)
}

// lost reports what was found out when an ended task was removed, which may be while the next attempt is under way.
func lost(name, relation string) input {
	return input{name: name, stale: relation == "later", make: func(state service.State) *events.Command {
		return events.NewCommand(at(present), nil, &events.ReportOutputLost{Attempt: related(state, relation)})
	}}
}

// delivered reports the last delivery of a configuration, or an earlier one.
func delivered(name, relation string, earlier uint64) input {
	return input{name: name, stale: relation != "this", make: func(state service.State) *events.Command {
		return events.NewCommand(at(present), nil, &events.ReportConfigDelivered{
			Attempt: related(state, relation), Delivery: state.Deliveries - earlier,
		})
	}}
}

// recoveries are all that the container runtime can show: status, attempt, hash, boot, and whether the listing is older
// than the task that the machine knows.
func recoveries() []input {
	inputs := []input{recovery("unknown", events.TaskStatus_TASK_STATUS_UNSPECIFIED, nil, nil)}

	for _, listed := range []string{"", "old listing"} {
		inputs = append(inputs, recovery("none", events.TaskStatus_TASK_STATUS_NONE, nil, []string{listed}))

		for _, relation := range []string{"", "earlier", "later"} {
			for _, hash := range []string{"", "other file"} {
				for _, boot := range []string{"", "other boot"} {
					if hash != "" && boot != "" {
						continue // what is of another boot is of another everything
					}

					marks := []string{relation, hash, boot, listed}
					inputs = append(inputs,
						recovery("created", events.TaskStatus_TASK_STATUS_CREATED, nil, marks),
						recovery("running", events.TaskStatus_TASK_STATUS_RUNNING, nil, marks),
						recovery("exited 0", events.TaskStatus_TASK_STATUS_EXITED, &service.Exit{Known: true}, marks),
						recovery("exited 3", events.TaskStatus_TASK_STATUS_EXITED, &service.Exit{Known: true, Code: 3}, marks),
						recovery("exited unknown", events.TaskStatus_TASK_STATUS_EXITED, &service.Exit{}, marks),
					)
				}
			}
		}
	}

	return inputs
}

func recovery(status string, code events.TaskStatus, exit *service.Exit, marks []string) input {
	name := "shows " + status

	for _, mark := range marks {
		if mark != "" {
			name += ", " + mark
		}
	}

	return input{name: name, make: func(state service.State) *events.Command {
		observed := &events.Observed{Status: code, At: at(present + 1)}
		if len(marks) > 1 {
			observed.Attempt, observed.SpecHash, observed.BootId = related(state, marks[0]), events.TaskHash(state.Lifecycle), state.BootID
			observed.Container, observed.Exit, observed.Started = testID, exit, at(1)
		}

		if code == events.TaskStatus_TASK_STATUS_RUNNING {
			observed.Pid = 7
		}

		if slices.Contains(marks, "other file") {
			observed.SpecHash = "v1:cc"
		}

		if slices.Contains(marks, "other boot") {
			observed.BootId = "boot-0"
		}

		if slices.Contains(marks, "old listing") {
			observed.At = at(1)
		}

		return events.NewCommand(at(present+1), nil, &events.RecoverService{Observed: observed})
	}}
}
