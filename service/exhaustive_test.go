package service_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// configuration is a state without what only counts: two states of one configuration decide alike.
type configuration struct {
	name, hash, conditions     string
	difference                 events.Difference // between what runs and what should
	healthKnown, healthy       bool
	desiredStopped, live, task bool
	backingOff                 bool
	stop, finishedBy           events.StopReason
	killed, startAfterStop     bool
	created, delivering        bool
}

func configurationOf(state service.State) configuration {
	c := configuration{
		name: state.Name, hash: events.TaskHash(state.Lifecycle), desiredStopped: state.DesiredStopped, live: state.Live,
		task: state.PID != 0, backingOff: state.BackingOff, stop: state.StopReason,
		finishedBy: state.FinishedBy, killed: state.Killed, startAfterStop: state.StartAfterStop,
		created: state.Created, delivering: state.Delivering, healthKnown: state.HealthKnown, healthy: state.Healthy,
	}
	for _, condition := range state.Conditions {
		c.conditions += fmt.Sprintln(condition.Key, condition.Known, condition.Met, condition.TimedOut)
	}

	if state.Applied != "" {
		c.difference = 1 + events.Compare(state.Applied, events.TaskHash(state.Lifecycle))
	}

	return c
}

// transition is one command in one configuration.
type transition struct {
	before  service.State
	input   input
	command *events.Command
	step    service.Step
	err     error
	path    string // the inputs that led to the state before
}

// explore walks every configuration that the machine can get into, breadth first, and visits every command in each.
func explore(inputs []input, visit func(transition)) (configurations []service.State) {
	type place struct {
		state service.State
		path  string
	}

	start := service.New(testID)
	seen := map[configuration]bool{configurationOf(start): true}
	queue := []place{{state: start}}

	for len(queue) > 0 {
		here := queue[0]
		queue = queue[1:]
		configurations = append(configurations, here.state)

		for _, input := range inputs {
			command := input.make(here.state)
			step, err := service.Take(here.state, command, 0)
			visit(transition{before: here.state, input: input, command: command, step: step, err: err, path: here.path})

			if reached := configurationOf(step.State); !seen[reached] && !input.leaf {
				seen[reached] = true
				queue = append(queue, place{state: step.State, path: here.path + " > " + input.name})
			}
		}
	}

	return configurations
}

func policies() []string { return []string{"always", "untilSuccess", "never"} }

// TestEveryCommandInEveryState holds the machine to its rules: every command, in every variant, in every configuration
// that can be reached.
func TestEveryCommandInEveryState(t *testing.T) {
	walked := variants()
	if underRace {
		walked = walked[1:2]
	}

	for _, of := range walked {
		t.Run(fmt.Sprintf("%+v", of), func(t *testing.T) {
			t.Parallel()

			steps := 0
			alike := map[string]bool{}
			inputs := alphabet(of)
			if of.onConfigChange != "" { // more configurations than the others: without what those show already
				inputs = slices.DeleteFunc(inputs, func(input input) bool { return !telling(input) })
			}

			states := explore(inputs, func(made transition) {
				steps++
				where := func() string { return made.path + " > " + made.input.name }

				// Only this is refused: a command for a service whose file is not loaded, and a signal that nothing can take.
				refuses := made.before.Lifecycle == nil && made.command.GetLoadSpec() == nil
				if asked := made.command.GetSignalService(); asked != nil {
					refuses = made.before.Lifecycle == nil || made.before.PID == 0 || asked.GetSignal() == "SIGKILL"
				}
				if refused := made.err != nil; refused != refuses {
					t.Errorf("%s: refused: %v", where(), made.err)
				}

				if made.input.stale && len(made.step.Decision.Entries) > 0 {
					t.Errorf("%s: of another attempt, yet it decided %s", where(), kinds(made.step))
				}

				if broken := violation(made.before, made.command, made.step); broken != nil {
					t.Errorf("%s: %v\n  %s", where(), broken, kinds(made.step))
				}

				if like := made.before.Name + made.input.name + kinds(made.step); !alike[like] {
					alike[like] = true

					checkSame(t, where(), made)
				}

				if t.Failed() {
					t.FailNow()
				}
			})

			t.Logf("%d configurations, %d steps", len(states), steps)

			if len(states) < 50 {
				t.Errorf("only %d configurations: the exploration is stuck", len(states))
			}

			for _, state := range states {
				if err := settles(state); err != nil {
					t.Errorf("%+v: %v", configurationOf(state), err)
				}
			}
		})
	}
}

// checkSame takes the step again, and folds it from its stored bytes.
func checkSame(t *testing.T, where string, made transition) {
	t.Helper()

	if len(made.step.Decision.Entries) == 0 {
		return
	}

	again, err := service.Take(made.before, made.command, 0)
	if err != nil || !again.State.Equal(made.step.State) || !reflect.DeepEqual(again.Effects, made.step.Effects) || kinds(again) != kinds(made.step) {
		t.Errorf("%s: decided otherwise the second time: %s, then %s", where, kinds(made.step), kinds(again))
	}

	if err := replayed(made.before, made.step); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

func kinds(step service.Step) string {
	names := ""

	for i, entry := range step.Decision.Entries {
		if i > 0 {
			names += " "
		}

		names += entry.Event.KindName()
	}

	return names
}

// settles gives the state what it is owed by others, and nothing else, until nothing more is owed. It must then run, or
// have ended for a reason.
func settles(state service.State) error {
	if state.Lifecycle == nil {
		return nil // nothing begins without a file
	}

	const enough = 12
	for range enough {
		order := owed(state)
		if order == nil {
			return settledWell(state)
		}

		step, err := service.Take(state, events.NewCommand(at(present+2), nil, order), 0)
		if err != nil {
			return err
		}

		if len(step.Decision.Entries) == 0 {
			return fmt.Errorf("stuck in %s: %T changes nothing", state.Name, order)
		}

		state = step.State
	}

	return fmt.Errorf("does not settle: still %s after %d commands", state.Name, enough)
}

// owed is the next command that the outside world must send to a state.
func owed(state service.State) events.Order {
	nothing := &events.RecoverService{Observed: &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE, At: at(present + 2)}}

	switch {
	case state.Name == events.StateWaiting && state.BackingOff:
		return &events.ElapseTimer{Attempt: state.Attempt, Timer: events.Timer_TIMER_BACKOFF}
	case state.Name == events.StateWaiting:
		for _, condition := range state.Conditions {
			if !condition.Known || !condition.Met {
				return &events.ObserveCondition{Key: condition.Key, Met: true}
			}
		}

		return nil
	case (state.Name == events.StatePreparing || state.Name == events.StateStopping) && !state.Live:
		return nothing
	case state.Name == events.StatePreparing:
		return &events.ReportStarted{Attempt: state.Attempt, Pid: 9, Container: testID}
	case state.Name == events.StateStopping && state.PID == 0:
		return &events.ReportStartFailed{Attempt: state.Attempt, Problem: "cancelled"}
	case state.Name == events.StateStopping:
		return &events.ReportExited{Attempt: state.Attempt, Exit: &service.Exit{Known: true, Code: 143, Signal: 15}}
	default:
		return nil
	}
}

func settledWell(state service.State) error {
	switch {
	case state.DesiredStopped && !state.Ended():
		return fmt.Errorf("a person stopped it, yet it settles as %s", state.Name)
	case state.Name == events.StateFinished && state.FinishedBy == events.StopReason_STOP_REASON_PERSON && !state.DesiredStopped:
		return fmt.Errorf("finished by a person who wants it started")
	case state.Name == events.StateFinished && slices.Contains([]events.StopReason{
		events.StopReason_STOP_REASON_RESTART, events.StopReason_STOP_REASON_SPEC, events.StopReason_STOP_REASON_CONFIG,
		events.StopReason_STOP_REASON_HEALTH,
	}, state.FinishedBy):
		return fmt.Errorf("finished by a stop that was to be followed by a start: %s", state.FinishedBy)
	case state.Name != events.StateRunning && !state.Ended():
		return fmt.Errorf("settles as %s", state.Name)
	default:
		return nil
	}
}
