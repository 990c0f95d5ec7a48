package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

func (p *play) boundary() actorstest.Boundary {
	if p.coin() {
		return actorstest.BeforeCommit
	}

	return actorstest.AfterCommit
}

// reboot replaces the daemon in one of the ways in which that happens.
func (p *play) reboot() {
	p.Settle()

	if !p.Crashed() {
		p.Disarm()
		p.CheckViews()
		p.CheckPresses()
	}

	if p.Crashed() || p.coin() {
		p.Crash()
	} else {
		p.Close()
	}

	p.bootAgain()
}

// bounce shuts the daemon down, which does not always come to its end.
func (p *play) bounce() {
	if p.coin() {
		p.ArmCrash(1+p.random.IntN(12), p.boundary())
	}

	hurry := make(chan struct{})
	if p.oneIn(3) {
		time.AfterFunc(p.gap()+1, func() { close(hurry) })
	}

	p.Do(func() {
		ctx, cancel := context.WithTimeout(p.Alive(), 1+2*p.gap())
		defer cancel()

		_ = p.System.Shutdown(ctx, hurry) // it may well end too early
	})

	if p.Crashed() {
		p.Crash()
	} else {
		p.Disarm()
		p.Close()
	}

	p.bootAgain()
}

// bootAgain starts the next daemon, after what may happen while there is none.
func (p *play) bootAgain() {
	switch p.random.IntN(20) {
	case 0, 1, 2: // the whole machine
		p.rebootMachine()
	case 3, 4, 5:
		p.Fault("files change while there is no daemon")
		p.edit()
	case 6:
		p.Fault("containers end while there is no daemon")

		for number := range p.policies {
			p.Runtime.Exit(id(number), int32(p.random.IntN(2)))
		}
	case 7:
		p.Fault("containers vanish while there is no daemon")
		p.Runtime.Lose(p.id())
	case 8:
		p.damage("torn write", func() int { return p.Journal.Tear(1 + p.random.IntN(3)) })
	case 9:
		p.damage("damaged records", func() int {
			return p.Journal.Damage(func(events.Record) bool { return p.oneIn(30) })
		})
	case 10:
		p.Fault("retention")
		p.forgot = true
		p.Journal.ForgetBeforeSnapshots()
	}

	p.Boot(p.files...)
}

// damage: what was acknowledged may be lost, but nothing else may go wrong.
func (p *play) damage(kind string, lose func() int) {
	if lost := lose(); lost > 0 {
		p.Fault(kind)
		p.Excuse()
	}
}

// rebootMachine: a power cut takes with it what was not synced, and all containers.
func (p *play) rebootMachine() {
	p.Fault("machine rebooted")

	p.boots++
	p.BootID = fmt.Sprintf("boot-%d", p.boots)

	powerCut := p.coin()
	if powerCut && p.Journal.PowerCut() > 0 {
		p.Fault("power cut")
	}

	if powerCut || p.coin() { // else the runtime still shows what it had
		for number := range p.policies {
			p.Runtime.Lose(id(number))
		}
	}
}
