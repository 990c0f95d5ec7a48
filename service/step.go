package service

import "github.com/extactor/extactor/events"

// Step is one command carried through: the decision as the journal keeps it, the state after it, and what follows from
// it. The state and the effects count only once the decision was appended.
type Step struct {
	Decision events.Decision
	State    State
	Effects  []Effect
	Sources  []int // for each effect, the entry of the decision that it follows from
}

// Take carries a command through the machine without I/O. A step without entries changes nothing and is not recorded.
func Take(state State, command *events.Command, cause uint64) (Step, error) {
	decided, err := Decide(state, command)
	if err != nil {
		return Step{State: state}, err
	}

	step := Step{
		State: state,
		Decision: events.Decision{
			Service: state.ID, Command: command, At: command.GetAt(), Origin: command.GetOrigin(), Cause: cause,
		},
	}

	for i, event := range decided {
		step.State = Apply(step.State, event)

		for _, effect := range React(step.State, event) {
			step.Effects, step.Sources = append(step.Effects, effect), append(step.Sources, i)
		}

		step.Decision.Entries = append(step.Decision.Entries, events.Entry{
			Event: event, State: step.State.Name, Attempt: step.State.Attempt, Message: events.Text(state.ID, event),
		})
	}

	return step, nil
}
