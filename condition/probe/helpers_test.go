package probe

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/condition/watch"
)

// patience is how long a test waits for what must come; it is never a measure.
const patience = 20 * time.Second

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func skip(t testing.TB, reason string) {
	t.Helper()

	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run here: %s", reason)
	}

	t.Skipf("SKIPPED: %s", reason)
}

// eventually waits for what the kernel or the scheduler does on its own and tells nobody.
func eventually(t testing.TB, what string, test func() bool) {
	t.Helper()

	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()

	deadline := time.After(patience)

	for !test() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("never came true: %s", what)
		}
	}
}

// leaksNothing fails the test if goroutines are left at its end.
func leaksNothing(t testing.TB) {
	before := runtime.NumGoroutine()

	t.Cleanup(func() {
		eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// watching is a real watcher in which nothing is ever looked at again by time.
func watching(t testing.TB) Watcher {
	t.Helper()

	watchers, err := watch.New(watch.Options{PollInterval: time.Hour})
	must(t, err)
	t.Cleanup(watchers.Close)

	return watchers
}

// seen notes what a probe pushes, as lines such as "up: assumed".
type seen struct {
	t    testing.TB
	stop func()

	mu      sync.Mutex
	stopped bool
	lines   []string
	next    int
	more    chan struct{}
}

func watchProbe(t testing.TB, probe Probe) *seen {
	t.Helper()

	s := &seen{t: t, more: make(chan struct{}, 1)}
	stop := probe.Watch(s.push)
	s.stop = func() {
		stop()

		s.mu.Lock()
		defer s.mu.Unlock()

		s.stopped = true
	}

	t.Cleanup(s.stop)

	return s
}

func (s *seen) push(up bool, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()

	line := map[bool]string{true: "up: ", false: "down: "}[up] + detail

	if s.stopped {
		s.t.Errorf("%q after stop", line)
	}

	if len(s.lines) > 0 && s.lines[len(s.lines)-1] == line {
		s.t.Errorf("%q twice", line)
	}

	s.lines = append(s.lines, line)

	select {
	case s.more <- struct{}{}:
	default:
	}
}

// await waits for the next line that contains the text, and forgets those before it.
func (s *seen) await(text string) {
	s.t.Helper()

	deadline := time.After(patience)

	for {
		s.mu.Lock()

		for s.next < len(s.lines) {
			s.next++

			if strings.Contains(s.lines[s.next-1], text) {
				s.mu.Unlock()

				return
			}
		}

		all := fmt.Sprintf("%q", s.lines)
		s.mu.Unlock()

		select {
		case <-s.more:
		case <-deadline:
			s.t.Fatalf("never pushed: %s; pushed: %s", text, all)
		}
	}
}

// take returns the lines since it was last asked.
func (s *seen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	taken := s.lines[s.next:]
	s.next = len(s.lines)

	return strings.Join(taken, "; ")
}

// paths is a watcher whose facts the test sets.
type paths struct {
	mu     sync.Mutex
	pushes map[string]func(condition.Fact)
}

func (p *paths) Watch(watched condition.Condition, push func(condition.Fact)) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.pushes == nil {
		p.pushes = map[string]func(condition.Fact){}
	}

	p.pushes[watched.Name] = push

	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()

		delete(p.pushes, watched.Name)
	}
}

func (p *paths) set(name string, exists bool) {
	p.mu.Lock()
	push := p.pushes[name]
	p.mu.Unlock()

	push(condition.FileFact{Exists: exists})
}

func (p *paths) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.pushes)
}
