package adoption_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// act is something that happens to a service that is at rest. It is played again and again: the daemon dies before and
// after each of the effects that follow from it, in turn, and the next daemon goes on.
type act struct {
	name    string
	stopped bool // begins with a service that a person has stopped, or without one; else with one that runs
	fresh   bool // a new daemon starts, and dies in the middle of that

	// happen sets the act going; it must not wait for what comes of it.
	happen func(s *site, d *daemon)
	// order is a person's command that sets the act going. A person gives it again where it was neither acknowledged nor
	// recorded.
	order events.Order

	begins int  // how often the program begins because of it
	atMost bool // or less: depending on the moment it goes on
	ends   bool // nothing is left of the service
	reads  bool // the program reads its configuration anew
	reset  func(s *site)
}

var acts = []act{
	{name: "the task fails", begins: 1, happen: func(s *site, _ *daemon) { s.endTask(unix.SIGUSR1) }},
	{name: "a person restarts it", order: &events.RestartService{}, begins: 1},
	{name: "a person stops it", order: &events.StopService{}, ends: true, reset: (*site).startAgain},
	{name: "a person starts it", stopped: true, order: &events.StartService{}, begins: 1, reset: (*site).stopAgain},
	{name: "its file changes", begins: 1, happen: func(s *site, d *daemon) {
		s.wish.argument += "+"
		d.reload()
	}},
	{name: "its configuration changes", reads: true, happen: func(s *site, d *daemon) {
		s.wish.settings += "+"
		d.reload()
	}},
	{name: "its file is removed", ends: true, happen: func(s *site, d *daemon) {
		s.wish.gone = true
		d.reload()
	}, reset: func(s *site) {
		s.wish.gone = false
		s.began++
		s.daemon.reload()
		s.daemon.awaitRunning()
	}},
	{name: "the daemon starts", fresh: true},
	{name: "the daemon starts after the task has failed", fresh: true, begins: 1, happen: func(s *site, _ *daemon) {
		s.endTask(unix.SIGUSR1)
	}},
	{name: "the daemon shuts down", begins: 1, atMost: true, happen: func(s *site, d *daemon) {
		ctx, cancel := d.lifetime()
		defer cancel()

		if d.system.Shutdown(ctx, nil) == nil {
			s.start(nil)
		}
	}},
}

// A daemon that dies before or after any effect loses nothing, and does nothing twice.
func TestCrashBetweenAnyTwoEffects(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	var points atomic.Int64

	t.Run("acts", func(t *testing.T) {
		for number, act := range acts {
			t.Run(act.name, func(t *testing.T) {
				t.Parallel()

				s := newSite(t, w, fmt.Sprintf("act-%d", number))
				s.wish.settings = "settings"
				s.run()

				if act.stopped {
					s.stopAgain()
				}

				points.Add(int64(s.sweep(act)))
				s.settle()
			})
		}
	})

	t.Logf("%d crash points", points.Load())
}

// sweep plays the act until the daemon has died at each of its points, and returns how many there are.
func (s *site) sweep(a act) int {
	for reached := 0; ; reached++ {
		at := s.play(a, reached)
		if at == "" {
			return reached
		}

		if s.t.Failed() {
			s.t.Fatalf("the daemon died %s", at)
		}

		if a.reset != nil {
			a.reset(s)
		}
	}
}

// play plays the act once with a daemon that dies at its nth point, and a next one that must bring everything to a good
// end. It returns where the daemon died, nothing where it had no such point.
func (s *site) play(a act, nth int) (died string) {
	s.t.Helper()

	var last point

	hook := func(at point) verdict {
		if !at.effect() {
			return proceed
		}

		same := last.after && !at.after // between two effects there is one moment to die, not two
		last = at

		if same {
			return proceed
		}

		if nth--; nth >= 0 {
			return proceed
		}

		died = at.String()

		return die
	}

	before := s.daemon.journal.Status().Revision
	acknowledged := s.begin(a, hook)

	d := s.daemon
	d.await("a death, or the end of: "+a.name, func() bool { return d.isDead() || s.reached(a) })

	if d.isDead() {
		d.crash()
		d = s.start(nil)
		s.orderAgain(a, before, acknowledged, died)
		d.await("the end of: "+a.name+", after a death "+died, func() bool { return s.reached(a) })
	} else {
		d.arm(nil)
	}

	s.complete(a)

	return died
}

// begin sets the act going under a daemon with this hook.
func (s *site) begin(a act, hook func(point) verdict) (acknowledged bool) {
	s.t.Helper()

	d := s.daemon
	if a.fresh {
		d.crash()
	} else {
		d.arm(hook)
	}

	if a.happen != nil {
		a.happen(s, d)
	}

	if a.fresh {
		s.start(hook)
	}

	return a.order != nil && d.command(a.order)
}

// effect tells whether something changes at this point, or comes to be known.
func (p point) effect() bool {
	switch p.what {
	case "containers.Get", "containers.List", "tasks.Get", "tasks.List", "version.Version":
		return false
	}

	return true
}

// orderAgain gives the person's command again, unless it was recorded: what was acknowledged always is.
func (s *site) orderAgain(a act, before uint64, acknowledged bool, died string) {
	s.t.Helper()

	if a.order == nil {
		return
	}

	wanted := events.NewCommand(nil, nil, a.order).KindName()

	for _, record := range s.records() {
		if record.Seq > before && record.Kind == wanted {
			return
		}
	}

	if acknowledged {
		s.t.Errorf("%s was acknowledged, then the daemon died %s, and it is not recorded; %s", wanted, died, s.said())
	}

	s.daemon.command(a.order)
}

// reached tells whether nothing more follows from the act.
func (s *site) reached(a act) bool {
	d := s.daemon
	if !d.atRest() {
		return false
	}

	if a.ends {
		state := d.view().State
		link, _ := d.system.View(service.Runtime)

		return link.State == events.StateRunning && (state == events.StateFinished || state == "" || s.wish.gone) && len(s.containers()) == 0
	}

	return d.view().State == events.StateRunning && d.under("tasks.Wait") > 0 &&
		(a.atMost || s.count("began") >= s.began+a.begins) && (!a.reads || s.count("read "+s.wish.settings) > 0)
}

// attempts are those whose program was started.
func (s *site) attempts() int {
	attempts := make(map[uint64]bool)

	for _, record := range s.records() {
		if record.Kind == "TaskStarted" || record.Kind == "TaskAdopted" {
			attempts[record.Attempt] = true
		}
	}

	return len(attempts)
}

// complete checks what the act came to.
func (s *site) complete(a act) {
	s.t.Helper()

	if a.atMost {
		a.begins = s.attempts() - s.began
	}

	s.began += a.begins

	if !a.ends {
		s.awaitLine("began", s.began)
	}

	s.check()

	overlays, err := filepath.Glob(filepath.Join(s.runDir, "rootfs", s.id+".*"))
	must(s.t, err)

	if most := 1; len(overlays) > most || a.ends && len(overlays) > 0 {
		s.t.Errorf("left behind: %q; %s", overlays, s.said())
	}
}

func (s *site) startAgain() {
	s.t.Helper()
	s.began++
	s.daemon.command(&events.StartService{})
	s.daemon.awaitRunning()
}

func (s *site) stopAgain() {
	s.t.Helper()
	s.daemon.command(&events.StopService{})
	s.daemon.awaitEnded(events.StateFinished)
}

func (d *daemon) arm(hook func(point) verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.hook = hook
}

func (d *daemon) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.dead
}

// reload has the services follow their files, as far as the daemon lives.
func (d *daemon) reload() {
	d.site.t.Helper()

	ctx, cancel := d.lifetime()
	defer cancel()

	if _, err := d.system.Reload(ctx, d.site.desired()); err != nil && !d.isDead() {
		d.site.t.Fatal(err)
	}
}

// lifetime ends with the daemon.
func (d *daemon) lifetime() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)

	go func() {
		select {
		case <-d.died:
			cancel()
		case <-ctx.Done():
		}
	}()

	return ctx, cancel
}
