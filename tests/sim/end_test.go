package sim_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// calmDown ends all trouble; nothing comes from outside any more.
func (p *play) calmDown() {
	p.Journal.Repair()
	p.Runtime.Connect()

	for _, file := range p.files {
		p.Runtime.EndAfter(file.ID(), 0, 0)
	}

	for _, watched := range outside {
		p.Watcher.Set(watched, fact(watched, !p.oneIn(5)))
	}
}

// converge waits and then checks that everything is as it should be.
func (p *play) converge() {
	p.Run(calm)
	p.CheckViews()
	p.CheckPresses()
	p.snapshot() // which the audit compares with the journal's fold

	if busy := p.Busy(); len(busy) > 0 {
		p.Fatalf("calls under way when all is calm: %q", busy)
	}

	running := make(map[string]uint64)

	for _, file := range p.files {
		view, known := p.System.View(file.ID())
		if !known {
			p.Fatalf("%s has no view", file.ID())
		}

		if view.State == events.StateRunning {
			running[view.ID] = view.Attempt
		}

		if problem := p.misplaced(file, view); problem != "" {
			p.Fatalf("%s is %s when all is calm: %s", view.ID, view.State, problem)
		}
	}

	if there := p.Runtime.Tasks(); !maps.Equal(there, running) {
		p.Fatalf("the runtime has %v when all is calm, the services running are %v", there, running)
	}
}

// misplaced tells why a service may not stay in its state.
func (p *play) misplaced(file *spec.Service, view events.View) string {
	switch view.State {
	case events.StateRunning:
		if view.Desired == events.DesiredStopped {
			return "a person has stopped it"
		}
	case events.StateFinished:
		if view.Desired == events.DesiredStarted && file.Restart == spec.RestartAlways {
			return "it is to run always"
		}
	case events.StateFailed:
		if file.Restart != spec.RestartNever {
			return "it is to be started again"
		}
	case events.StateWaiting:
		return p.idle(file, view)
	default:
		return "it should be on its way"
	}

	return ""
}

// idle tells why a service may not wait; only a dependency that is really not met is a reason to.
func (p *play) idle(file *spec.Service, view events.View) string {
	if view.NextRetry != 0 {
		return "it backs off"
	}

	var unmet []string

	for _, awaited := range service.Conditions(file) {
		met := awaited.Name == service.Runtime

		if awaited.Kind == condition.Service && !met {
			other, _ := p.System.View(awaited.Name)
			met = other.State == events.StateRunning
		} else if !met {
			met = awaited.Met(p.Watcher.Fact(awaited))
		}

		if !met {
			unmet = append(unmet, awaited.Key())
		}
	}

	var said []string
	for _, waiting := range view.Waiting() {
		said = append(said, waiting.Key)
	}

	if len(unmet) == 0 || !slices.Equal(unmet, said) {
		return fmt.Sprintf("it says that it waits for %q, not met are %q", said, unmet)
	}

	return ""
}

// shutDown stops all, sometimes in a hurry, while persons go on pressing.
func (p *play) shutDown() {
	if p.coin() {
		p.Press(p.id(), &events.StartService{})
	}

	hurry := make(chan struct{})
	if p.oneIn(3) {
		time.AfterFunc(p.gap()+1, func() { close(hurry) })
	}

	p.Do(func() {
		ctx, cancel := context.WithTimeout(p.T.Context(), calm)
		defer cancel()

		if err := p.System.Shutdown(ctx, hurry); err != nil {
			p.T.Error(err)
		}
	})

	if there := p.Runtime.Tasks(); len(there) > 0 {
		p.Fatalf("the runtime has %v after shutdown", there)
	}

	for id, state := range p.States() {
		if id != service.Runtime && state != events.StateFinished && state != events.StateFailed {
			p.Fatalf("%s is %s after shutdown", id, state)
		}
	}

	p.CheckViews()
	p.Close()
}
