package service_test

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/service/servicetest"
)

// scripts may be what a simulation has printed.
var scripts = flag.String("scripts", "testdata/scripts", "where the scripts are that TestScripts plays")

// TestScripts runs one file per story of a service's life. Every command prints what was decided and what follows from
// it; after each one the state is folded again from the first event, which must give the same state.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, *scripts, func(t *testing.T, path string) {
		script := newScript(t)
		datadriven.RunTest(t, path, func(t *testing.T, data *datadriven.TestData) string { return script.run(t, data) })
	})
}

// script is one service driven by hand, with clocks that move only when the script says so.
type script struct {
	state   service.State
	wall    time.Time
	boot    time.Duration
	entries []recordedEntry
}

type recordedEntry struct {
	events.Entry
	boot time.Duration
}

func newScript(t *testing.T) *script {
	t.Helper()

	return &script{
		state: service.New("ext-hello-world"), wall: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), boot: 10 * time.Second,
	}
}

func (s *script) run(t *testing.T, data *datadriven.TestData) string {
	t.Helper()

	switch data.Cmd {
	case "tick":
		step, err := time.ParseDuration(data.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}

		s.boot += step
		s.wall = s.wall.Add(step)

		return ""
	case "wall":
		wall, err := time.Parse(time.RFC3339, data.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}

		s.wall = wall

		return ""
	case "service":
		s.state = service.New(data.CmdArgs[0].Key)

		return ""
	case "take":
		command := new(events.Command)
		if err := protojson.Unmarshal([]byte(data.Input), command); err != nil {
			t.Fatal(err)
		}

		return s.carry(t, command)
	case "event":
		return s.apply(t, data.Input)
	case "events":
		return s.block()
	case "state":
		return fmt.Sprintf("%s attempt=%d pid=%d desired_stopped=%t failures=%d restarts=%d\n",
			s.state.Name, s.state.Attempt, s.state.PID, s.state.DesiredStopped, s.state.Failures, s.state.Restarts)
	default:
		return s.take(t, order(t, s.state, data))
	}
}

// take carries one command through and prints it.
func (s *script) take(t *testing.T, given events.Order) string {
	t.Helper()

	return s.carry(t, events.NewCommand(s.now(), nil, given))
}

// carry carries a command through at its own moment.
func (s *script) carry(t *testing.T, command *events.Command) string {
	t.Helper()

	s.wall, s.boot = time.Unix(0, command.GetAt().GetWallNs()).UTC(), time.Duration(command.GetAt().GetBootNs())

	step, err := service.Take(s.state, command, 0)
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}

	if len(step.Decision.Entries) == 0 {
		if !step.State.Equal(s.state) || len(step.Effects) > 0 {
			t.Fatalf("%s: no event, yet something changed", command.KindName())
		}

		return "nothing\n"
	}

	s.state = step.State

	for _, entry := range step.Decision.Entries {
		s.entries = append(s.entries, recordedEntry{Entry: entry, boot: s.boot})
	}

	s.checkReplay(t)

	return servicetest.Render(step)
}

// apply takes an event over that no command led to.
func (s *script) apply(t *testing.T, input string) string {
	t.Helper()

	event := new(events.Event)
	if err := protojson.Unmarshal([]byte(input), event); err != nil {
		t.Fatal(err)
	}

	s.state = service.Apply(s.state, event)
	entry := events.Entry{Event: event, State: s.state.Name, Attempt: s.state.Attempt, Message: events.Text(s.state.ID, event)}
	s.entries = append(s.entries, recordedEntry{Entry: entry, boot: s.boot})
	s.checkReplay(t)

	return servicetest.RenderEntry(entry)
}

func (s *script) now() *events.Instant {
	return &events.Instant{WallNs: s.wall.UnixNano(), BootNs: int64(s.boot)}
}

// checkReplay folds the stored bytes of every event from the first one on.
func (s *script) checkReplay(t *testing.T) {
	t.Helper()

	replayed := service.New(s.state.ID)

	for _, entry := range s.entries {
		bytes, err := proto.Marshal(entry.Event)
		if err != nil {
			t.Fatal(err)
		}

		event := new(events.Event)
		if err := proto.Unmarshal(bytes, event); err != nil {
			t.Fatal(err)
		}

		replayed = service.Apply(replayed, event)
		if replayed.Name != entry.State || replayed.Attempt != entry.Attempt {
			t.Fatalf("replay of %s gives %s#%d, recorded was %s#%d", event.KindName(), replayed.Name, replayed.Attempt, entry.State, entry.Attempt)
		}
	}

	if !replayed.Equal(s.state) {
		t.Fatalf("replay from zero differs:\n%+v\n%+v", replayed.Snapshot(), s.state.Snapshot())
	}

	restored := service.Apply(service.New(s.state.ID), events.New(s.state.Snapshot()))
	if !restored.Equal(s.state) {
		t.Fatalf("a snapshot restores another state:\n%+v\n%+v", restored.Snapshot(), s.state.Snapshot())
	}
}

// block prints EVENTS as status does: newest first, with ages by the boot clock.
func (s *script) block() string {
	var out strings.Builder

	for _, entry := range slices.Backward(s.entries) {
		if entry.Message != "" {
			fmt.Fprintf(&out, "[%s]: %s (%s ago)\n", entry.State, entry.Message, (s.boot - entry.boot).Round(time.Second))
		}
	}

	return out.String()
}

// order reads one command of a script. Commands that carry an attempt take the present one unless attempt= is given.
func order(t *testing.T, state service.State, data *datadriven.TestData) events.Order {
	t.Helper()

	attempt := state.Attempt
	if data.HasArg("attempt") {
		attempt = number[uint64](t, data, "attempt")
	}

	switch data.Cmd {
	case "load":
		return loadOrder(t, data)
	case "change":
		return &events.ChangeSpec{Lifecycle: loadOrder(t, data).Lifecycle}
	case "remove":
		return &events.RemoveService{}
	case "healthy", "unhealthy":
		report := &events.ReportHealth{Attempt: attempt, Healthy: data.Cmd == "healthy"}
		if data.HasArg("message") {
			report.Message = text(t, data, "message")
		}

		return report
	case "config-delivered":
		report := &events.ReportConfigDelivered{Attempt: attempt, Delivery: state.Deliveries}
		if data.HasArg("delivery") {
			report.Delivery = number[uint64](t, data, "delivery")
		}

		return report
	case "config-refused":
		return &events.ReportConfigRefused{Attempt: attempt}
	case "output-lost":
		return &events.ReportOutputLost{Attempt: attempt}
	case "start":
		return &events.StartService{}
	case "stop":
		return &events.StopService{}
	case "restart":
		return &events.RestartService{}
	case "shutdown":
		return &events.ShutdownService{Hurry: data.HasArg("hurry")}
	case "met", "unmet":
		return observeOrder(t, data)
	case "timer":
		return &events.ElapseTimer{Attempt: attempt, Timer: map[string]events.Timer{
			"backoff": events.Timer_TIMER_BACKOFF, "stop": events.Timer_TIMER_STOP, "dependency": events.Timer_TIMER_DEPENDENCY,
		}[data.CmdArgs[0].Key], Key: strings.Join(data.CmdArgs[0].Vals, "")}
	case "prepared":
		return &events.ReportPrepared{Attempt: attempt}
	case "started":
		started := &events.ReportStarted{Attempt: attempt, Pid: number[uint32](t, data, "pid"), Container: state.ID}
		if data.HasArg("rootfs") {
			started.Rootfs = text(t, data, "rootfs")
		}

		return started
	case "start-failed":
		return &events.ReportStartFailed{Attempt: attempt, Problem: text(t, data, "problem")}
	case "exited":
		return &events.ReportExited{Attempt: attempt, Exit: exit(t, data)}
	case "recover":
		return recoverOrder(t, state, data, attempt)
	default:
		t.Fatalf("unknown command %q", data.Cmd)

		return nil
	}
}

func loadOrder(t *testing.T, data *datadriven.TestData) *events.LoadSpec {
	t.Helper()

	lifecycle := &events.Lifecycle{
		Restart: "always", StopSignal: "SIGTERM", StopTimeoutNs: int64(10 * time.Second), SpecHash: "v1:aa",
		Depends: []string{"service:containerd"},
	}
	boot := "boot-1"

	for _, arg := range data.CmdArgs {
		switch arg.Key {
		case "restart":
			lifecycle.Restart = arg.Vals[0]
		case "depends":
			lifecycle.Depends = append(lifecycle.Depends, arg.Vals...)
		case "boot":
			boot = arg.Vals[0]
		case "hash":
			lifecycle.SpecHash = arg.Vals[0]
		case "files":
			lifecycle.ConfigFilesHash = arg.Vals[0]
		case "environment":
			lifecycle.ConfigEnvironmentHash = arg.Vals[0]
		case "on-config-change":
			lifecycle.OnConfigChange, lifecycle.ConfigSignal = arg.Vals[0], "SIGHUP"
		case "health":
			lifecycle.HealthCheck, lifecycle.RestartUnhealthy = true, arg.Vals[0] == "restart"
		case "timeout":
			limit, err := time.ParseDuration(arg.Vals[1])
			if err != nil {
				t.Fatal(err)
			}

			lifecycle.Timeouts = append(lifecycle.Timeouts, &events.DependencyTimeout{
				Key: arg.Vals[0], TimeoutNs: int64(limit), Action: arg.Vals[2],
			})
		default:
			t.Fatalf("load: unknown argument %q", arg.Key)
		}
	}

	return &events.LoadSpec{Lifecycle: lifecycle, BootId: boot}
}

func observeOrder(t *testing.T, data *datadriven.TestData) events.Order {
	t.Helper()

	key := data.CmdArgs[0].Key

	awaited, err := condition.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}

	seen := &events.ObserveCondition{Key: key, Met: data.Cmd == "met", Text: awaited.Text(nil)}
	if data.HasArg("unregistered") {
		seen.Text = awaited.Text(condition.ServiceFact{})
	}

	return seen
}

func recoverOrder(t *testing.T, state service.State, data *datadriven.TestData, attempt uint64) events.Order {
	t.Helper()

	status := map[string]events.TaskStatus{
		"unknown": events.TaskStatus_TASK_STATUS_UNSPECIFIED, "none": events.TaskStatus_TASK_STATUS_NONE,
		"created": events.TaskStatus_TASK_STATUS_CREATED, "running": events.TaskStatus_TASK_STATUS_RUNNING,
		"exited": events.TaskStatus_TASK_STATUS_EXITED,
	}[data.CmdArgs[0].Key]

	observed := &events.Observed{
		Status: status, Attempt: attempt, SpecHash: events.TaskHash(state.Lifecycle), BootId: state.BootID, Container: state.ID,
		At: &events.Instant{BootNs: int64(time.Hour * 24 * 365)},
	}
	if data.HasArg("hash") {
		observed.SpecHash = text(t, data, "hash")
	}

	if data.HasArg("boot") {
		observed.BootId = text(t, data, "boot")
	}

	if data.HasArg("pid") {
		observed.Pid = number[uint32](t, data, "pid")
	}

	if data.HasArg("listed") {
		listed, err := time.ParseDuration(text(t, data, "listed"))
		if err != nil {
			t.Fatal(err)
		}

		observed.At = &events.Instant{BootNs: int64(listed)}
	}

	if status == events.TaskStatus_TASK_STATUS_EXITED {
		observed.Exit = exit(t, data)
	}

	return &events.RecoverService{Observed: observed}
}

func exit(t *testing.T, data *datadriven.TestData) *service.Exit {
	t.Helper()

	ended := &service.Exit{Known: !data.HasArg("unknown"), Oom: data.HasArg("oom"), OutputLost: data.HasArg("output-lost")}
	if data.HasArg("code") {
		ended.Code = number[int32](t, data, "code")
	}

	if data.HasArg("signal") {
		ended.Signal = number[int32](t, data, "signal")
		ended.Code = 128 + ended.Signal
	}

	if data.HasArg("lines") {
		ended.LastLines = text(t, data, "lines") + "\n"
	}

	return ended
}

func text(t *testing.T, data *datadriven.TestData, key string) string {
	t.Helper()

	var value string

	data.ScanArgs(t, key, &value)

	return strings.ReplaceAll(value, "_", " ")
}

func number[N int32 | uint32 | uint64](t *testing.T, data *datadriven.TestData, key string) N {
	t.Helper()

	value, err := strconv.ParseInt(text(t, data, key), 10, 64)
	if err != nil {
		t.Fatal(err)
	}

	return N(value)
}
