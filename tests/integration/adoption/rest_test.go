package adoption_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// What is not to run does not run again because a daemon starts, and what has no file any more is ended.
func TestNextDaemonLeavesAtRest(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	for name, test := range map[string]struct {
		set   func(s *site)
		state string
	}{
		"finished by its policy": {state: events.StateFinished, set: func(s *site) {
			s.wish.restart = "untilSuccess"
			d := s.run()
			s.endTask(unix.SIGTERM)
			d.awaitEnded(events.StateFinished)
		}},
		"failed by its policy": {state: events.StateFailed, set: func(s *site) {
			s.wish.restart = "never"
			d := s.run()
			s.endTask(unix.SIGUSR1)
			d.awaitEnded(events.StateFailed)
		}},
		"stopped by a person": {state: events.StateFinished, set: func(s *site) {
			s.run()
			s.stopAgain()
		}},
		"its file is gone": {set: func(s *site) {
			s.runAndCrash()
			s.wish.gone = true
		}},
		"its file is gone, and its journal is lost": {set: func(s *site) {
			s.runAndCrash()
			s.loseJournal()
			s.wish.gone = true
		}},
		"its container is gone, and files of it are left": {state: events.StateFinished, set: func(s *site) {
			s.run()
			s.stopAgain()

			for _, left := range []string{"rootfs/ext-gone.7", "config/ext-gone.7", "exits"} {
				must(s.t, os.MkdirAll(filepath.Join(s.runDir, left), 0o700))
			}

			must(s.t, os.WriteFile(filepath.Join(s.runDir, "exits", "ext-gone.7.json"), []byte("{}"), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, w, fmt.Sprintf("rest-%d", w.counter.Load()))
			test.set(s)

			d := s.start(nil)
			d.await("the link", func() bool {
				link, _ := d.system.View(service.Runtime)

				return link.State == events.StateRunning
			})
			s.settle()

			started := func(record events.Record) bool { return record.Seq > s.since && record.Kind == "TaskStarted" }
			if now := d.view().State; !s.wish.gone && now != test.state || slices.ContainsFunc(s.records(), started) {
				t.Errorf("it is %s; %s", now, s.said())
			}
		})
	}
}
