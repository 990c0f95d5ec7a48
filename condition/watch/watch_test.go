package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

func TestManyWatchesShareEverything(t *testing.T) {
	directory := t.TempDir()
	watchers := start(t, unpolled())
	before := runtime.NumGoroutine()

	var all []*facts

	for i := range 100 {
		all = append(all, watchFacts(t, watchers, path(filepath.Join(directory, fmt.Sprint(i/2)))))
	}

	all = append(all, watchFacts(t, watchers,
		condition.Condition{Kind: condition.EnvironmentFile, Name: filepath.Join(directory, "0")}))

	for _, f := range all {
		f.met(false)
	}

	// One goroutine reads inotify, one polls the mount table, none belongs to a path.
	eventually(t, "at rest there are two goroutines", func() bool { return runtime.NumGoroutine() <= before+2 })

	if got, most := kernelWatches(t), depth(directory); got > most {
		t.Errorf("%d kernel watches for one directory %d deep", got, most)
	}

	for i := range 50 {
		touch(t, filepath.Join(directory, fmt.Sprint(i)))
	}

	for _, f := range all {
		f.met(true)
	}

	for _, f := range all {
		f.stop()
	}

	eventually(t, "no kernel watch is left", func() bool { return kernelWatches(t) == 0 })
}

func depth(directory string) int {
	if directory == "/" {
		return 1
	}

	return depth(filepath.Dir(directory)) + 1
}

func TestNothingLeaks(t *testing.T) {
	h := newHost(t)
	uts := newNamespace(t, unix.CLONE_NEWUTS, "uts")
	directory := t.TempDir()
	conditions := []condition.Condition{
		path(filepath.Join(directory, "a/b")), path("/proc/1/root"), path("/etc"),
		network(condition.Addresses), network(condition.Connectivity),
		network(condition.Hostname), network(condition.EtcFiles), clockCondition,
	}

	round := func(stopFirst bool) {
		watchers, err := New(Options{
			NetworkNamespace: h.namespace, UTSNamespace: uts, ClockStatus: func() (bool, error) { return false, nil },
		})
		must(t, err)

		var all []*facts

		for _, watched := range conditions {
			all = append(all, watchFacts(t, watchers, watched))
		}

		for _, f := range all {
			f.await("any", func(condition.Fact) bool { return true })
		}

		if stopFirst {
			for _, f := range all {
				f.stop()
				f.stop()
			}

			eventually(t, "the kernel watches are gone", func() bool { return kernelWatches(t) == 0 })
		}

		watchers.Close()
		watchers.Close()

		for _, f := range all {
			f.stop() // after Close it is allowed, and harmless
		}
	}

	round(true) // what is opened once and kept by the runtime or a library

	files, goroutines := descriptors(t), runtime.NumGoroutine()

	for i := range 10 {
		round(i%2 == 0)
	}

	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the descriptors are gone", func() bool { return descriptors(t) <= files })
}

// The network's sockets are closed with the last watch that needs them, not only by Close.
func TestNetworkIsLeftWithTheLastWatch(t *testing.T) {
	h := newHost(t)
	watchers := h.watch(Options{})

	files, goroutines := descriptors(t), runtime.NumGoroutine()

	for range 3 {
		one, two := watchFacts(t, watchers, network(condition.Addresses)), watchFacts(t, watchers, network(condition.Connectivity))
		one.met(false)
		two.met(false)
		one.stop()
		two.stop()
		eventually(t, "descriptors", func() bool { return descriptors(t) <= files })
		eventually(t, "goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	}
}

// The recorder fails the test where a push follows stop.
func TestStopWhileEverythingChanges(t *testing.T) {
	directory := t.TempDir()
	watchers := start(t, unpolled())

	var group sync.WaitGroup

	for i := range 8 {
		group.Go(func() {
			name := filepath.Join(directory, fmt.Sprint(i%2), "file")

			for range 50 {
				f := watchFacts(t, watchers, path(name))

				_ = os.MkdirAll(filepath.Dir(name), 0o700)
				_ = os.WriteFile(name, nil, 0o600)
				_ = os.RemoveAll(filepath.Dir(name))

				f.stop()
			}
		})
	}

	group.Wait()

	eventually(t, "no kernel watch is left", func() bool { return kernelWatches(t) == 0 })
}

func TestKindsOfOtherSources(t *testing.T) {
	var output log

	watchers := start(t, Options{Logger: zerolog.New(&output)})

	for _, watched := range []condition.Condition{
		{Kind: condition.Service, Name: "containerd"}, {Kind: condition.Configuration, Name: "nut"},
		{Kind: "moon", Name: "full"}, network("wifi"), {Kind: condition.Time, Name: "noon"}, {},
	} {
		f := watchFacts(t, watchers, watched)
		f.stop()

		if len(f.seen) > 0 || !output.contains(`"`+watched.Key()+`"`) {
			t.Errorf("%q: facts %v, or not logged", watched.Key(), f.seen)
		}
	}

	watchers.Close()

	closed := watchFacts(t, watchers, path("/"))
	closed.stop()

	if len(closed.seen) > 0 {
		t.Errorf("facts after Close: %v", closed.seen)
	}
}
