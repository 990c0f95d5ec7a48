package watch

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/condition"
)

var clockCondition = condition.Condition{Kind: condition.Time}

// In a bubble of synctest the second between two looks is virtual, and it is known when everything rests.
func TestClockIsAskedUntilSynchronized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu           sync.Mutex
			asked        int
			synchronized bool
			failure      error
		)

		set := func(is bool, err error) {
			mu.Lock()
			defer mu.Unlock()

			synchronized, failure = is, err
		}

		watchers, err := New(Options{ClockStatus: func() (bool, error) {
			mu.Lock()
			defer mu.Unlock()

			asked++

			return synchronized, failure
		}})
		must(t, err)

		defer watchers.Close()

		watchers.options.TimesyncFlag = "" // inotify does not rest in a bubble

		expect := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()

			if asked != want {
				t.Errorf("%s: asked %d times, want %d", what, asked, want)
			}
		}
		pass := func(wait time.Duration) { <-time.After(wait) }

		pass(time.Minute)
		expect("nobody watches", 0)

		one := watchFacts(t, watchers, clockCondition)
		expect("at once", 1)
		pass(10 * time.Second)
		expect("each second", 11)
		one.stop()
		pass(time.Minute)
		expect("stopped", 11)

		two := watchFacts(t, watchers, clockCondition)
		expect("at once again", 12)

		set(false, errors.New("no clock"))

		pass(time.Second)
		expect("failed", 13)

		set(true, nil)

		pass(time.Second)
		expect("synchronized", 14)

		set(false, nil)

		pass(time.Hour)

		three := watchFacts(t, watchers, clockCondition)
		expect("latched", 14)

		if len(one.seen) != 1 || len(two.seen) != 2 || len(three.seen) != 1 ||
			clockCondition.Met(one.seen[0]) || !clockCondition.Met(two.seen[1]) || !clockCondition.Met(three.seen[0]) {
			t.Errorf("pushed: %v, %v, %v", one.seen, two.seen, three.seen)
		}
	})
}

func TestClockIsSynchronizedByTheFlagOfATimeDaemon(t *testing.T) {
	var asked atomic.Int32

	options := unpolled()
	options.TimesyncFlag = filepath.Join(t.TempDir(), "timesync/synchronized")
	options.ClockStatus = func() (bool, error) {
		asked.Add(1)

		return false, nil
	}

	watchers := start(t, options)
	f := watchFacts(t, watchers, clockCondition)
	f.met(false)
	must(t, os.Mkdir(filepath.Dir(options.TimesyncFlag), 0o700))
	touch(t, options.TimesyncFlag)
	f.met(true)
	eventually(t, "the flag is no longer watched", func() bool { return kernelWatches(t) == 0 })

	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestClockStatusOfTheKernel(t *testing.T) {
	if _, err := kernelClockStatus(); err != nil {
		t.Error(err)
	}
}
