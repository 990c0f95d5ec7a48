package actors_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/spec"
)

func TestServicesShareTheWatchOfACondition(t *testing.T) {
	story(t, func(w *actorstest.World) {
		watched := func(want ...string) {
			w.T.Helper()
			w.Settle()

			if got := w.Watcher.Watched(); !slices.Equal(got, want) {
				w.Fatalf("watched are %q, want %q", got, want)
			}
		}

		w.Boot(serve("a", spec.Dependency{Path: path.Name}), serve("b", spec.Dependency{Path: path.Name}), serve("c"))
		watched("path:/dev/x")
		w.System.Unsubscribe("ext-a", path)
		watched("path:/dev/x")
		w.System.Unsubscribe("ext-a", path) // twice is once
		watched("path:/dev/x")
		w.System.Unsubscribe("ext-b", path)
		watched()
		w.System.Subscribe("ext-c", path)
		watched("path:/dev/x")
		w.Close()
		watched()
	})
}

// A service gives a condition up, and another wants it while its actor is still ending.
func TestAConditionIsWantedAgainAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		storyOf(t, seed, func(w *actorstest.World) {
			w.Boot(serve("a", spec.Dependency{Path: path.Name}), serve("b"))
			w.Settle()
			w.System.Unsubscribe("ext-a", path)
			w.System.Subscribe("ext-b", path)
			w.System.Subscribe("ext-a", path)
			w.Settle()
			w.Watcher.Set(path, exists)
			w.UntilState("ext-a", "Running")

			if got := w.Watcher.Watched(); !slices.Equal(got, []string{"path:/dev/x"}) {
				w.Fatalf("watched are %q", got)
			}
		})
	}
}

func TestWaitingServicesCostNoGoroutine(t *testing.T) {
	story(t, func(w *actorstest.World) {
		goroutines := func(count int) int {
			var files []*spec.Service
			for number := range count {
				files = append(files, serve(fmt.Sprintf("s%d", number), spec.Dependency{Path: fmt.Sprintf("/dev/%d", number)}))
			}

			w.Boot(files...)
			w.Run(time.Minute)

			if waiting := w.Watcher.Watched(); len(waiting) != count {
				w.Fatalf("%d services wait, not %d", len(waiting), count)
			}

			running := runtime.NumGoroutine()

			w.Close()

			return running
		}

		if few, many := goroutines(1), goroutines(1000); many > few+10 {
			w.Fatalf("1 waiting service has %d goroutines, 1000 have %d", few, many)
		}
	})
}
