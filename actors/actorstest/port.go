package actorstest

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

var methods = []string{"Observe", "Prepare", "Start", "Wait", "Signal", "Kill", "Delete", "UpdateConfig", "Health"}

// port is the fake runtime as one run of the daemon sees it: every call is traced and judged, and begins and returns in
// instants that no other call shares.
type port struct {
	world *World
	fake  *FakeRuntime
	run   int
}

var _ actors.Runtime = (*port)(nil)

// slot gives each call an instant of its own in every round.
func (w *World) slot(call Call) int {
	index := slices.Index(w.ids, call.ID) + 1
	method := slices.Index(methods, call.Method)

	return ((index*len(methods)+method)*32 + int(call.Attempt%32)) % slotCalls
}

// chance draws a number below n that depends on nothing but the seed and the call.
func (w *World) chance(call Call, what string, n uint64) uint64 {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%d %s %s %s %d", w.seed, what, call.Method, call.ID, call.Attempt)

	return hash.Sum64() % n
}

// delay says how long a call takes.
func (w *World) delay(call Call) time.Duration {
	took := time.Duration(1+w.chance(call, "delay", 40)) * time.Millisecond

	switch {
	case w.Prompt:
		took = time.Microsecond
	case w.chance(call, "slow", 40) == 0:
		w.tally.add("slow " + call.Method)

		took *= 400 // up to 16 s
	}

	return w.Clock.until(took, w.slot(call))
}

// carry runs one call.
func (p *port) carry(ctx context.Context, call Call, run func() error) error {
	if p.world.dead(p.run) { // a process that is dead calls nobody
		<-ctx.Done()

		return context.Cause(ctx)
	}

	call.At = time.Now()
	p.world.audit.call(call, p.run)
	p.world.trace.noteLoose("call %s", call)

	// Calls that begin in the same instant, such as a signal and a kill, come to the runtime one after the other.
	<-time.After(p.world.Clock.until(1, p.world.slot(call)))

	err := run()

	<-time.After(p.world.Clock.until(1, p.world.slot(call)))

	if err != nil {
		p.world.trace.noteLoose("done %s: %v", call, err)
	} else {
		p.world.trace.noteLoose("done %s", call)
	}

	p.world.audit.returned(call)
	p.world.rouse()

	return err
}

// String renders the call without its time.
func (c Call) String() string {
	text := c.Method
	if c.ID != "" {
		text += fmt.Sprintf(" %s attempt %d", c.ID, c.Attempt)
	}

	if c.Signal != "" {
		text += " " + c.Signal
	}

	return text
}

// Link passes the link on.
func (p *port) Link(ctx context.Context, up func(address, version string), down func(problem error)) {
	p.fake.Link(ctx, up, down)
}

// Observe lists the containers.
func (p *port) Observe(ctx context.Context) (seen map[string]*service.Observed, err error) {
	err = p.carry(ctx, Call{Method: "Observe"}, func() error {
		seen, err = p.fake.Observe(ctx)

		return err
	})

	return seen, err
}

// Prepare prepares.
func (p *port) Prepare(ctx context.Context, request service.StartRequest) error {
	return p.carry(ctx, Call{Method: "Prepare", ID: request.ID, Attempt: request.Attempt}, func() error {
		return p.fake.Prepare(ctx, request)
	})
}

// Start starts. Some starts go through although whoever asked for them has given up.
func (p *port) Start(ctx context.Context, request service.StartRequest) (started actors.Started, err error) {
	call := Call{Method: "Start", ID: request.ID, Attempt: request.Attempt}
	deaf := p.world.chance(call, "deaf", 4) == 0
	reachable := p.fake.reachable()

	err = p.carry(ctx, call, func() error {
		if !deaf {
			started, err = p.fake.Start(ctx, request)
			if err != nil && reachable && p.world.chance(call, "half", 2) == 0 && (ctx.Err() != nil || !p.fake.reachable()) {
				p.world.tally.add("container created, not started")
				p.fake.leaveCreated(request)
			}

			return err
		}

		started, err = p.fake.Start(context.WithoutCancel(ctx), request)
		if err == nil && ctx.Err() != nil {
			p.world.tally.add("start that goes through though cancelled")

			err = context.Cause(ctx)
		}

		return err
	})

	return started, err
}

// Wait waits.
func (p *port) Wait(ctx context.Context, task service.Task) (exit *service.Exit, err error) {
	err = p.carry(ctx, Call{Method: "Wait", ID: task.ID, Attempt: task.Attempt}, func() error {
		exit, err = p.fake.Wait(ctx, task)

		return err
	})

	return exit, err
}

// Signal signals.
func (p *port) Signal(ctx context.Context, task service.Task, signal string) error {
	return p.carry(ctx, Call{Method: "Signal", ID: task.ID, Attempt: task.Attempt, Signal: signal}, func() error {
		return p.fake.Signal(ctx, task, signal)
	})
}

// Kill kills.
func (p *port) Kill(ctx context.Context, task service.Task) error {
	return p.carry(ctx, Call{Method: "Kill", ID: task.ID, Attempt: task.Attempt}, func() error {
		return p.fake.Kill(ctx, task)
	})
}

// Delete deletes.
func (p *port) Delete(ctx context.Context, task service.Task) error {
	return p.carry(ctx, Call{Method: "Delete", ID: task.ID, Attempt: task.Attempt}, func() error {
		return p.fake.Delete(ctx, task)
	})
}

// UpdateConfig gives a running task its changed configuration files.
func (p *port) UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error {
	return p.carry(ctx, Call{Method: "UpdateConfig", ID: task.ID, Attempt: task.Attempt}, func() error {
		return p.fake.UpdateConfig(ctx, task, config)
	})
}
