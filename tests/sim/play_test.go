package sim_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// play is what one seed does to a system: it gives it services, lets everything happen to them that can happen, and then
// leaves them alone to see where they end.
type play struct {
	*actorstest.World
	random *rand.Rand
	files  []*spec.Service
	boots  int

	policies []spec.RestartPolicy // by number: what ended under another one would stay so in this boot
	rejected []*events.SpecRejected
	configs  []*spec.Config
	edits    int
	forgot   bool // the journal no longer has everything: retention
}

func newPlay(w *actorstest.World) *play {
	p := &play{World: w, random: w.Random, boots: 1}
	for number := range 2 + w.Random.IntN(4) {
		p.policies = append(p.policies, policies[w.Random.IntN(len(policies))])
		p.files = append(p.files, p.file(number))
	}

	w.Config = func(config *actors.Config) { config.Desired = p.desired() }

	return p
}

var (
	policies  = []spec.RestartPolicy{spec.RestartAlways, spec.RestartUntilSuccess, spec.RestartNever}
	paths     = []condition.Condition{{Kind: condition.Path, Name: "/dev/x"}, {Kind: condition.EnvironmentFile, Name: "/etc/env"}}
	addresses = condition.Condition{Kind: condition.Network, Name: condition.Addresses}
	clock     = condition.Condition{Kind: condition.Time}
	outside   = append([]condition.Condition{addresses, clock}, paths...)
)

func fact(watched condition.Condition, met bool) condition.Fact {
	switch watched.Kind {
	case condition.Network:
		fact := condition.AddressesFact{}
		if met {
			fact.Addresses = []condition.Address{{InterfaceUp: true, Address: netip.MustParseAddr("192.0.2.1")}}
		}

		return fact
	case condition.Time:
		return condition.TimeFact{Synchronized: met}
	default:
		return condition.FileFact{Exists: met}
	}
}

func (p *play) coin() bool { return p.random.IntN(2) == 0 }

func (p *play) oneIn(n int) bool { return p.random.IntN(n) == 0 }

// file makes up the service file of a number; its dependencies point backwards, but for a rare cycle.
func (p *play) file(number int) *spec.Service {
	file := &spec.Service{
		Name: fmt.Sprintf("s%d", number), Container: spec.Container{Entrypoint: "/program"},
		Extactor: spec.Extactor{Stop: spec.Stop{Signal: "SIGTERM", Timeout: time.Duration(1+p.random.IntN(10)) * time.Second}},
		Restart:  p.policies[number],
		Source:   source(number),
	}

	for other := range number {
		if p.oneIn(3) {
			file.Depends = append(file.Depends, spec.Dependency{Service: fmt.Sprintf("ext-s%d", other)})
		}
	}

	if p.oneIn(20) {
		file.Depends = append(file.Depends, spec.Dependency{Service: fmt.Sprintf("ext-s%d", number+1)})
	}

	if p.oneIn(4) {
		file.Depends = append(file.Depends, spec.Dependency{Network: []string{condition.Addresses}})
	}

	if p.oneIn(5) {
		file.Depends = append(file.Depends, spec.Dependency{Time: true})
	}

	if p.oneIn(4) {
		file.Depends = append(file.Depends, spec.Dependency{Path: paths[0].Name})
	}

	if p.oneIn(6) {
		file.Container.EnvironmentFile = paths[1].Name
	}

	switch {
	case p.oneIn(4):
		file.Container.Args = []string{"stubborn"}
	case file.Restart != spec.RestartAlways && p.oneIn(3):
		file.Container.Args = []string{"print", "bye", "exit", "0"}
	case file.Restart == spec.RestartNever && p.oneIn(3):
		file.Container.Args = []string{"exit", "1"}
	}

	p.extend(file)

	return file
}

func (p *play) id() string { return id(p.random.IntN(len(p.policies))) }

func (p *play) perform() {
	for _, watched := range outside {
		if p.oneIn(8) { // its watcher says nothing before something happens to it
			p.Watcher.Hang(watched)
		} else {
			p.Watcher.Set(watched, fact(watched, p.coin()))
		}
	}

	for _, name := range hosts {
		p.Prober.SetHost(name, p.coin(), "seen")
	}

	for number := range p.policies {
		if !p.oneIn(4) { // else nothing is said of its health before something happens to it
			p.Prober.SetHealth(id(number), !p.oneIn(4))
		}
	}

	if p.oneIn(3) {
		p.Runtime.Disconnect()
	}

	p.Boot(p.files...)

	for range 14 + p.random.IntN(14) {
		if p.oneIn(6) {
			p.ArmCrash(1+p.random.IntN(25), p.boundary())
		}

		p.Run(p.gap())

		if !p.Crashed() {
			p.act()
		}

		if p.Crashed() {
			p.Crash()
			p.bootAgain()
		}
	}

	p.Disarm()
	p.calmDown()
	p.converge()

	// Most things show their effect best where all is as it should be.
	for range p.random.IntN(3) {
		p.stir()
		p.converge()
	}

	switch p.random.IntN(3) {
	case 0:
		p.reboot()
		p.heal()
		p.converge()
		p.Close()
	default:
		p.shutDown()
	}
}

// gap is often shorter than what is under way takes.
func (p *play) gap() time.Duration {
	most := []time.Duration{
		time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, 3 * time.Second, 12 * time.Second, 12 * time.Second,
		2 * time.Minute,
	}[p.random.IntN(8)]

	return time.Duration(p.random.Int64N(int64(most)))
}
