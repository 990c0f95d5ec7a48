package service_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// FuzzDecide takes whatever bytes say in whatever situation: a damaged journal, or a client of another version, must not
// take the daemon down.
func FuzzDecide(f *testing.F) {
	var states []service.State

	for _, situation := range situations() {
		state := service.New(testID)
		for _, name := range situation.inputs {
			for _, input := range alphabet(situation.of) {
				if input.name != name {
					continue
				}

				command := input.make(state)

				bytes, err := proto.Marshal(command)
				if err != nil {
					f.Fatal(err)
				}

				f.Add(uint8(len(states)), bytes)

				step, err := service.Take(state, command, 0)
				if err != nil {
					f.Fatal(err)
				}

				state = step.State
			}
		}

		states = append(states, state)
	}

	f.Add(uint8(0), []byte{})

	f.Fuzz(func(t *testing.T, situation uint8, bytes []byte) {
		command := new(events.Command)
		if proto.Unmarshal(bytes, command) != nil {
			return
		}

		step, err := service.Take(states[int(situation)%len(states)], command, 0)
		if err != nil {
			return
		}

		if err := replayed(states[int(situation)%len(states)], step); err != nil {
			t.Error(err)
		}
	})
}
