package sim_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

// life lets a few services live through the usual things in the same way for each seed, so that it can be cut short at
// every append.
func (p *play) life() {
	for _, watched := range outside {
		p.Watcher.Set(watched, fact(watched, true))
	}

	for _, name := range hosts {
		p.Prober.SetHost(name, true, "seen")
	}

	for number := range p.policies {
		p.Prober.SetHealth(id(number), true)
	}

	p.Boot(p.files...)

	for number, step := range []func(){
		func() {},
		func() { p.Press(id(0), &events.StopService{}) },
		func() { p.Runtime.Exit(id(1), 1) },
		func() { p.Press(id(0), &events.StartService{}) },
		func() { p.link(false) },
		func() { p.link(true) },
		func() { p.Press(id(1), &events.RestartService{}) },
		p.reload,
		func() { p.Runtime.Lose(id(0)) },
		func() { p.Prober.SetHealth(id(1), false) },
	} {
		if p.Crashed() {
			break
		}

		step()
		p.Run(time.Duration(number+1) * 300 * time.Millisecond)
	}
}

// crashAt lives a life that ends in an append, and the next one to its end. It tells whether there was that append.
func crashAt(t *testing.T, seed uint64, appends int, boundary actorstest.Boundary) (lived result, reached bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		witness := &witness{TB: t}
		defer func() { lived = result{seed: seed, problems: witness.problems} }()
		defer witness.cleanUp()

		w := actorstest.NewWorld(witness, seed)
		w.ArmCrash(appends, boundary)

		witness.see(func() {
			p := newPlay(w)
			p.life()

			if reached = p.Crashed(); reached {
				p.Crash()
				p.Boot(p.files...)
			}

			p.Disarm()
			p.calmDown()
			p.converge()
			p.Close()
		})
	})

	return lived, reached
}

func TestCrashAtEveryAppend(t *testing.T) {
	for seed := range uint64(3) {
		for _, boundary := range []actorstest.Boundary{actorstest.BeforeCommit, actorstest.AfterCommit} {
			t.Run(fmt.Sprintf("%d/%s", seed+1, boundary), func(t *testing.T) {
				t.Parallel()

				crashes := 0

				for {
					lived, reached := crashAt(t, seed+1, crashes+1, boundary)
					report(t, lived)

					if !reached {
						break
					}

					crashes++
				}

				if crashes < 40 {
					t.Errorf("only %d appends", crashes)
				}

				t.Logf("the daemon died in each of %d appends", crashes)
			})
		}
	}
}
