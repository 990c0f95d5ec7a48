package sim_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// calmDown ends all trouble; nothing comes from outside any more.
func (p *play) calmDown() {
	p.Calm()
	p.Journal.Repair()
	p.Runtime.Connect()

	for number := range p.policies {
		p.Runtime.EndAfter(id(number), 0, 0)
	}

	for _, name := range hosts {
		p.Prober.SetHost(name, !p.oneIn(4), "seen")
	}

	p.reload()

	for _, watched := range outside {
		p.Watcher.Set(watched, fact(watched, !p.oneIn(5)))
	}

	p.heal()
}

// heal makes all healthy, but for those that are left alone when they are not.
func (p *play) heal() {
	for number := range p.policies {
		p.Prober.SetHealth(id(number), true)
	}

	for _, file := range p.files { // a restart for it would go on for ever
		if checked := file.Extactor.Health; checked != nil && checked.OnFailure == spec.HealthFailureNone && p.oneIn(4) {
			p.Prober.SetHealth(file.ID(), false)
		}
	}
}

// converge waits and then checks that everything is as it should be.
func (p *play) converge() {
	p.Run(calm)
	p.CheckViews()
	p.CheckPresses()
	p.checkDesired()
	p.snapshot() // which the audit compares with the journal's fold

	if busy := p.Busy(); len(busy) > 0 {
		p.Fatalf("calls under way when all is calm: %q", busy)
	}

	p.checkViewed()

	for _, file := range p.files {
		view, known := p.System.View(file.ID())
		if !known {
			p.Fatalf("%s has no view", file.ID())
		}

		if problem := p.misplaced(file, view); problem != "" {
			p.Fatalf("%s is %s when all is calm: %s", view.ID, view.State, problem)
		}
	}

	running, there := make(map[string]uint64), p.Runtime.Tasks()

	for _, view := range p.System.Views() {
		switch {
		case !strings.HasPrefix(view.ID, "ext-"):
		case p.leftAlone(view.ID): // its state is the last that a daemon knew that had its file
			delete(there, view.ID)
		case view.State == events.StateRunning:
			running[view.ID] = view.Attempt
		}
	}

	if !maps.Equal(there, running) {
		p.Fatalf("the runtime has %v when all is calm, the services running are %v", there, running)
	}
}

// leftAlone tells whether a service goes on as it is because its file has problems.
func (p *play) leftAlone(id string) bool {
	return slices.ContainsFunc(p.rejected, func(rejected *events.SpecRejected) bool { return idOf(rejected.GetFile()) == id })
}

// checkViewed: what is shown is what the files name, and the services of the host that it needs.
func (p *play) checkViewed() {
	allowed := map[string]bool{service.Runtime: true}

	for _, rejected := range p.rejected { // it may go on as it was, and need what it needed
		for number := range p.policies {
			allowed[id(number)] = allowed[id(number)] || rejected.GetFile() == source(number)
		}
	}

	for _, file := range p.files {
		allowed[file.ID()] = true
	}

	for _, name := range hosts {
		allowed[name] = len(p.rejected) > 0 || slices.ContainsFunc(p.files, func(file *spec.Service) bool {
			return slices.ContainsFunc(file.Depends, func(needed spec.Dependency) bool { return needed.Service == name })
		})
	}

	for _, view := range p.System.Views() {
		if !allowed[view.ID] {
			p.Fatalf("%s is shown as %s when all is calm, though no file names it", view.ID, view.State)
		}
	}
}

// folded is the state of a service as the journal has it.
func (p *play) folded(id string) service.State {
	state := service.New(id)

	for _, record := range p.Journal.Records() {
		if record.Service == id && record.Event != nil {
			state = service.Apply(state, record.Event)
		}
	}

	return state
}

// outOfTime tells whether a service ended because a dependency was not met in time.
func (p *play) outOfTime(id string) bool {
	var reason string

	for _, record := range p.Journal.Records() {
		if record.Service != id || record.Event == nil {
			continue
		}

		if skipped, failed := record.Event.GetServiceSkipped(), record.Event.GetServiceFailed(); skipped != nil || failed != nil {
			reason = skipped.GetReason() + failed.GetReason()
		}
	}

	return strings.HasPrefix(reason, "waited ") || reason == "" && p.forgot
}

// outdated tells what is wrong with what runs.
func (p *play) outdated(file *spec.Service) string {
	request, there := p.Runtime.Request(file.ID())

	switch {
	case !there:
		return "nothing runs"
	case !reflect.DeepEqual(request.Spec.Container, file.Container):
		return fmt.Sprintf("what runs is made from %+v, the file says %+v", request.Spec.Container, file.Container)
	case file.Extactor.OnConfigChange != spec.ConfigIgnored && !reflect.DeepEqual(request.Config, p.config(file.Name)):
		return fmt.Sprintf("what runs has the configuration %+v, not %+v", request.Config, p.config(file.Name))
	default:
		return ""
	}
}

// misplaced tells why a service may not stay in its state.
func (p *play) misplaced(file *spec.Service, view events.View) string {
	if p.Damaged() && (service.State{Name: view.State}).Ended() {
		return "" // what is lost may be why it ended, or that it should not have
	}

	switch view.State {
	case events.StateRunning:
		if view.Desired == events.DesiredStopped && !p.Damaged() {
			return "a person has stopped it"
		}

		return p.outdated(file)
	case events.StateFinished:
		if view.Desired == events.DesiredStarted && file.Restart == spec.RestartAlways {
			return "it is to run always"
		}
	case events.StateFailed:
		if file.Restart != spec.RestartNever && !p.outOfTime(view.ID) {
			return "it is to be started again"
		}
	case events.StateSkipped:
		if !p.outOfTime(view.ID) {
			return "nothing has run out of time"
		}
	case events.StateWaiting:
		return p.idle(file, view)
	case events.StateInitialized:
		if view.Desired != events.DesiredStopped || !p.Damaged() { // it was stopped, and how is lost
			return "it should be on its way"
		}
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
		met := awaited.Name == service.Runtime || awaited.Met(p.factOf(awaited))

		for _, rejected := range p.rejected { // it may run without being registered, or as it was
			if idOf(rejected.GetFile()) == awaited.Name {
				met = !slices.ContainsFunc(view.Waiting(), func(waiting events.ConditionView) bool { return waiting.Key == awaited.Key() })
			}
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

	there := p.Runtime.Tasks()

	for id := range p.Runtime.Stuck() { // what cannot be deleted is left to the next daemon
		delete(there, id)
	}

	if len(there) > 0 {
		p.Fatalf("the runtime has %v after shutdown", there)
	}

	for id, state := range p.States() {
		ended := state == events.StateFinished || state == events.StateFailed || state == events.StateSkipped
		if strings.HasPrefix(id, "ext-") && !ended {
			p.Fatalf("%s is %s after shutdown", id, state)
		}
	}

	p.CheckViews()
	p.Close()
}

// checkDesired: what a service is to be is what a person said last, in this boot.
func (p *play) checkDesired() {
	last := make(map[string]string)

	for _, record := range p.Journal.Records() {
		switch record.Kind {
		case "command.StartService", "command.RestartService":
			last[record.Service] = events.DesiredStarted
		case "command.StopService":
			last[record.Service] = events.DesiredStopped
		}

		if record.BootID != p.BootID {
			delete(last, record.Service)
		}
	}

	for _, view := range p.System.Views() {
		if wanted := last[view.ID]; wanted != "" && view.Desired != wanted && !p.Damaged() {
			p.Fatalf("%s is to be %s, a person said %s", view.ID, view.Desired, wanted)
		}
	}
}
