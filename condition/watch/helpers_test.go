package watch

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/extactor/extactor/condition"
)

// patience is how long a test waits for what must come; it is never a measure.
const patience = 20 * time.Second

// needRoot skips a test that changes the system, loudly, and fails it in continuous integration.
func needRoot(t testing.TB) {
	t.Helper()

	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
}

func skip(t testing.TB, reason string) {
	t.Helper()

	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run here: %s", reason)
	}

	t.Skipf("SKIPPED: %s", reason)
}

func start(t testing.TB, options Options) *Watchers {
	t.Helper()

	watchers, err := New(options)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(watchers.Close)

	return watchers
}

// facts collects what is pushed to one watch, and fails the test where two pushes overlap or one follows stop.
type facts struct {
	t       testing.TB
	watched condition.Condition
	stop    func()

	mu      sync.Mutex
	pushing bool
	stopped bool
	seen    []condition.Fact
	next    int
	more    chan struct{}
}

func watchFacts(t testing.TB, watchers *Watchers, watched condition.Condition) *facts {
	t.Helper()

	f := &facts{t: t, watched: watched, more: make(chan struct{}, 1)}
	stop := watchers.Watch(watched, f.push)

	f.stop = func() {
		stop()

		f.mu.Lock()
		defer f.mu.Unlock()

		f.stopped = true
	}

	return f
}

func (f *facts) push(fact condition.Fact) {
	f.mu.Lock()

	if f.pushing || f.stopped {
		f.t.Errorf("%s: push overlaps=%t after stop=%t", f.watched.Key(), f.pushing, f.stopped)
	}

	f.pushing = true
	f.mu.Unlock()

	runtime.Gosched() // gives an overlapping push its chance

	f.mu.Lock()
	defer f.mu.Unlock()

	f.pushing = false
	f.seen = append(f.seen, fact)

	select {
	case f.more <- struct{}{}:
	default:
	}
}

// await returns the next fact for which the test holds, and forgets those before it.
func (f *facts) await(what string, test func(condition.Fact) bool) condition.Fact {
	f.t.Helper()

	deadline := time.After(patience)

	for {
		f.mu.Lock()

		for f.next < len(f.seen) {
			fact := f.seen[f.next]
			f.next++

			if test(fact) {
				f.mu.Unlock()

				return fact
			}
		}

		f.mu.Unlock()

		select {
		case <-f.more:
		case <-deadline:
			f.mu.Lock()
			defer f.mu.Unlock()
			f.t.Fatalf("%s: no fact %q came; all facts: %s", f.watched.Key(), what, fmt.Sprint(f.seen))
		}
	}
}

// met waits for the next fact under which the condition is met, or not.
func (f *facts) met(want bool) condition.Fact {
	f.t.Helper()

	return f.await(fmt.Sprintf("met=%t", want), func(fact condition.Fact) bool { return f.watched.Met(fact) == want })
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

func path(name string) condition.Condition {
	return condition.Condition{Kind: condition.Path, Name: name}
}

func network(check string) condition.Condition {
	return condition.Condition{Kind: condition.Network, Name: check}
}

// log collects what is logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.Write(line)
}

func (l *log) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	return strings.Contains(l.text.String(), text)
}

// await waits for the text, which is logged after a fact was pushed.
func (l *log) await(t testing.TB, text string) {
	t.Helper()
	eventually(t, "logged: "+text, func() bool { return l.contains(text) })
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// descriptors counts the open files of this process.
func descriptors(t testing.TB) int {
	t.Helper()

	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)

	return len(entries)
}

// kernelWatches counts the inotify watches of this process.
func kernelWatches(t testing.TB) int {
	t.Helper()

	entries, err := os.ReadDir("/proc/self/fdinfo")
	must(t, err)

	count := 0

	for _, entry := range entries {
		text, err := os.ReadFile("/proc/self/fdinfo/" + entry.Name())
		if err == nil {
			count += strings.Count(string(text), "inotify wd:")
		}
	}

	return count
}

// pipes gives a child a standard input that stays open as long as the test.
func pipes(t *testing.T) []*os.File {
	t.Helper()

	reader, writer, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { _ = reader.Close(); _ = writer.Close() })

	return []*os.File{reader, nil, nil}
}
