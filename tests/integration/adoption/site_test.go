package adoption_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// wish is what the files of a site say at present.
type wish struct {
	gone     bool // there is no service file
	restart  string
	backoff  string // after a failure; empty: hardly any
	argument string // any other one makes another container
	settings string // content of a configuration file; empty: there is no configuration
}

func (s *site) desired() actors.Desired {
	s.t.Helper()

	if s.wish.gone {
		return actors.Desired{}
	}

	file, problems := spec.Parse(s.name+".yaml", fmt.Appendf(nil, `name: %[1]s
container:
  entrypoint: /program
  args: [%[2]q]
  mounts: [{source: %[3]q, destination: /box, type: bind, options: [bind, rw]}]
restart: %[4]s
extactor: {backoff: {initial: %[5]s, max: %[5]s}, onConfigChange: signal}
`, s.name, s.wish.argument, s.box, cmp.Or(s.wish.restart, "always"), cmp.Or(s.wish.backoff, "10ms")))
	if file == nil {
		s.t.Fatal(problems)
	}

	desired := actors.Desired{Services: []*spec.Service{file}}
	if s.wish.settings != "" {
		desired.Configs = []*spec.Config{{
			Name: s.name, Files: []spec.ConfigFile{{Content: s.wish.settings, MountPath: "/etc/settings"}},
		}}
	}

	return desired
}

// runs are the lines that the service's program has written so far.
func (s *site) runs() []string {
	s.t.Helper()

	content, err := os.ReadFile(filepath.Join(s.box, "runs"))
	if !os.IsNotExist(err) {
		must(s.t, err)
	}

	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func (s *site) count(line string) int {
	count := 0

	for _, seen := range s.runs() {
		if seen == line {
			count++
		}
	}

	return count
}

// awaitLine waits until the program has written a line so often. From its first line on it reacts to signals.
func (s *site) awaitLine(line string, times int) {
	s.t.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	for {
		s.mu.Lock()
		wrote := s.wrote
		s.mu.Unlock()

		if s.count(line) >= times {
			return
		}

		select {
		case <-wrote:
		case <-deadline.C:
			s.t.Fatalf("waited in vain for %q %d times, it wrote %q", line, times, s.runs())
		}
	}
}

// watchBox has those who wait look again when the program has written.
func (s *site) watchBox() {
	s.t.Helper()

	watcher, err := fsnotify.NewWatcher()
	must(s.t, err)
	must(s.t, watcher.Add(s.box))
	s.t.Cleanup(func() { watcher.Close() })

	go func() {
		for range watcher.Events {
			s.mu.Lock()
			close(s.wrote)
			s.wrote = make(chan struct{})
			s.mu.Unlock()
		}
	}()
}

// view is the service as status shows it.
func (d *daemon) view() events.View {
	view, _ := d.system.View(d.site.id)

	return view
}

// awaitRunning waits until the service's program has begun as often as it should by now, and its end is awaited.
func (d *daemon) awaitRunning() {
	d.site.t.Helper()
	d.await("Running", func() bool {
		return d.view().State == events.StateRunning && d.under("tasks.Wait") > 0
	})
	d.site.awaitLine("began", d.site.began)
}

// awaitEnded waits until the service has ended in one of the states, and nothing is left of it.
func (d *daemon) awaitEnded(states ...string) {
	d.site.t.Helper()
	d.await("the end of the service", func() bool {
		return slices.Contains(states, d.view().State) && d.atRest() && len(d.site.containers()) == 0
	})
}

// atRest tells whether no call to the container runtime is under way.
func (d *daemon) atRest() bool {
	return d.under("") == d.under("runtime.Wait")+d.under("tasks.Wait")
}

// run has a first daemon start the service.
func (s *site) run() *daemon {
	s.t.Helper()

	s.began++
	d := s.start(nil)
	d.awaitRunning()

	return d
}

// rule is a verdict on the nth time that a point comes.
type rule struct {
	at     string // "before tasks.Start"; "after StopBegan" stands for any append with such an event
	nth    int    // 0 is the first time
	answer verdict
}

// follow makes a hook of rules.
func follow(rules ...rule) func(point) verdict {
	seen := make([]int, len(rules))

	return func(at point) verdict {
		answer := proceed

		for index, rule := range rules {
			if !at.is(rule.at) {
				continue
			}

			if seen[index]++; seen[index] == rule.nth+1 {
				answer = rule.answer
			}
		}

		return answer
	}
}

func (p point) is(text string) bool {
	side, what, _ := strings.Cut(text, " ")

	return (side == "after") == p.after && (p.what == what ||
		strings.HasPrefix(p.what, "append ") && slices.Contains(strings.Fields(p.what), what))
}

// awaitDeath waits until a daemon has died as its rules say, and leaves what a crash leaves.
func (d *daemon) awaitDeath() {
	d.site.t.Helper()

	select {
	case <-d.died:
	case <-time.After(patience):
		d.site.t.Fatalf("the daemon does not die: %s", d.site.said())
	}

	d.crash()
}

// endTask sends a signal to the service's program, without any daemon, and waits until containerd knows of its end.
func (s *site) endTask(signal unix.Signal) {
	s.t.Helper()

	ctx, cancel := context.WithTimeout(s.context(), patience)
	defer cancel()

	task := s.task()
	ended, err := task.Wait(ctx)
	must(s.t, err)
	must(s.t, unix.Kill(int(task.Pid()), signal))

	// A daemon may be so quick to delete the task that its shim is gone before it has answered.
	if err := (<-ended).Error(); err != nil && !strings.Contains(err.Error(), "ttrpc: closed") {
		s.t.Fatal(err)
	}
}

// settle has a person stop the service, and checks what came of its whole life.
func (s *site) settle() {
	s.t.Helper()

	if s.daemon == nil {
		s.start(nil)
	}

	d := s.daemon
	if s.wish.gone {
		d.await("the end of what has no file", func() bool { return d.atRest() && len(s.containers()) == 0 })
	} else {
		d.command(&events.StopService{})
		d.awaitEnded(events.StateFinished, events.StateFailed)
	}

	s.check()
}

// check demands that no two programs ran at a time, none more often than it should, and that every exit is true.
func (s *site) check() {
	s.t.Helper()

	if runs := s.runs(); s.count("twice") > 0 || s.count("began") != s.began {
		s.t.Errorf("the program should have begun %d times, one at a time; it wrote %q; %s", s.began, runs, s.said())
	}

	for _, record := range s.records() {
		if exited := record.Event.GetTaskExited(); exited != nil {
			if exit := exited.GetExit(); !exit.GetKnown() && !s.unknown || !s.possible(exit.GetCode()) {
				s.t.Errorf("exit %v of attempt %d; %s", exit, exited.GetAttempt(), s.said())
			}
		}
	}
}

// possible: it was told to stop, to fail, or was killed.
func (s *site) possible(code int32) bool {
	return code == 0 || code >= 10 && code < 10+int32(s.began) || code == 137
}
