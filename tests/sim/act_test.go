package sim_test

import (
	"errors"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// action is one thing that can happen.
type action struct {
	weight int
	kind   string
	do     func(p *play)
}

var actions = []action{
	{6, "person starts", func(p *play) { p.Press(p.id(), &events.StartService{}) }},
	{6, "person stops", func(p *play) { p.Press(p.id(), &events.StopService{}) }},
	{3, "person restarts", func(p *play) { p.Press(p.id(), &events.RestartService{}) }},
	{2, "person signals", func(p *play) {
		p.Press(p.id(), &events.SignalService{Signal: []string{"SIGHUP", "SIGTERM"}[p.random.IntN(2)]})
	}},
	{1, "person presses everything", (*play).pressAll},
	{6, "condition changes", func(p *play) { p.observe(p.coin()) }},
	{2, "condition flaps", func(p *play) { p.flap(func(on bool) { p.observe(on) }) }},
	{2, "watcher hangs", func(p *play) { p.Watcher.Hang(outside[p.random.IntN(len(outside))]) }},
	{5, "task ends by itself", func(p *play) {
		most := []time.Duration{time.Second, 10 * time.Second, 90 * time.Second}[p.random.IntN(3)]
		p.Runtime.EndAfter(p.id(), time.Duration(p.random.Int64N(int64(most))), int32(p.random.IntN(2)))
	}},
	{2, "start fails", func(p *play) { p.Runtime.FailStart(p.id(), errors.New("no such image")) }},
	{2, "exit", func(p *play) { p.Runtime.Exit(p.id(), int32(p.random.IntN(2))) }},
	{1, "lost exit", func(p *play) { p.Runtime.Lose(p.id()) }},
	{2, "failed deletion", func(p *play) { p.Runtime.FailDelete(p.id()) }},
	{1, "shim killed after the exit", func(p *play) { p.Runtime.LoseOutput(p.id()) }},
	{2, "broken wait", func(p *play) { p.Runtime.BreakWait(p.id()) }},
	{2, "containerd down", func(p *play) { p.Runtime.Disconnect() }},
	{2, "containerd up", func(p *play) { p.Runtime.Connect() }},
	{1, "containerd flaps", func(p *play) { p.flap(p.link) }},
	{1, "failed listing", func(p *play) { p.Runtime.FailObserve(); p.link(false); p.link(true) }},
	{2, "append failure", func(p *play) { p.Journal.Degrade() }},
	{2, "disk back", func(p *play) { p.Journal.Repair() }},
	{1, "append hangs", func(p *play) { p.Journal.Hang() }},
	{2, "clock jump", func(p *play) { p.Clock.Jump(time.Duration(p.random.Int64N(int64(20000*time.Hour))) - 1000*time.Hour) }},
	{8, "files change", (*play).reload},
	{4, "health changes", func(p *play) { p.Prober.SetHealth(p.id(), p.coin()) }},
	{2, "health flaps", func(p *play) {
		id := p.id()
		p.flap(func(on bool) { p.Prober.SetHealth(id, on) })
	}},
	{2, "late report of health", func(p *play) {
		id := p.id()
		p.Prober.Report(service.Task{ID: id, Attempt: p.Runtime.Tasks()[id]}, p.coin(), "late")
	}},
	{2, "host service changes", func(p *play) { p.Prober.SetHost(hosts[p.random.IntN(len(hosts))], p.coin(), "seen") }},
	{1, "snapshot", (*play).snapshot},
	{2, "daemon replaced", (*play).reboot},
	{1, "daemon shut down", (*play).bounce},
}

// act lets one thing happen.
func (p *play) act() {
	total := 0
	for _, action := range actions {
		total += action.weight
	}

	drawn := p.random.IntN(total)

	for _, action := range actions {
		if drawn -= action.weight; drawn < 0 {
			p.Fault(action.kind)
			action.do(p)

			return
		}
	}
}

// stir lets something happen after which everything has to come to where it should be, as before.
func (p *play) stir() {
	id := p.id()

	switch p.random.IntN(6) {
	case 0:
		p.Runtime.Exit(id, int32(p.random.IntN(2)))
	case 1: // nobody sees it end
		p.Runtime.Disconnect()
		p.Run(p.gap())
		p.Runtime.Exit(id, 1)
		p.Run(p.gap())
		p.Runtime.Connect()
	case 2:
		p.Press(id, []events.Order{&events.StartService{}, &events.StopService{}, &events.RestartService{}}[p.random.IntN(3)])
	default:
		p.edit()
		p.reload()
		p.heal() // what is checked may have become what restarts when it is not healthy
	}
}

func (p *play) observe(met bool) {
	watched := outside[p.random.IntN(len(outside))]
	p.Watcher.Set(watched, fact(watched, met))
}

func (p *play) link(up bool) {
	if up {
		p.Runtime.Connect()
	} else {
		p.Runtime.Disconnect()
	}

	p.Run(p.gap())
}

// flap switches something off and on, sometimes faster than anybody can follow.
func (p *play) flap(change func(on bool)) {
	on := p.coin()
	for range 2 + p.random.IntN(5) {
		change(on)

		on = !on

		if p.coin() {
			p.Run(time.Duration(p.random.Int64N(int64(200 * time.Millisecond))))
		}

		if p.Crashed() {
			return
		}
	}
}

// pressAll gives one service many orders without waiting for any answer.
func (p *play) pressAll() {
	id := p.id()
	for range 2 + p.random.IntN(4) {
		p.Press(id, []events.Order{&events.StartService{}, &events.StopService{}, &events.RestartService{}}[p.random.IntN(3)])
	}
}

func (p *play) snapshot() {
	p.Do(func() {
		if err := p.System.Snapshot(p.Alive()); err != nil && p.Alive().Err() == nil {
			p.T.Error(err)
		}
	})
}
