package sim_test

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
)

var (
	oneSeed = flag.Uint64("seed", 0, "replay this seed only, and print its trace")
	seeds   = flag.Uint64("seeds", 500, "how many seeds to run")
)

// run lives one seed through and returns its trace.
func run(t *testing.T, seed uint64) (trace string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := actorstest.NewWorld(t, seed)
		newPlay(w).perform()
		trace = w.Trace()
	})

	return trace
}

func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		t.Log(run(t, *oneSeed))

		return
	}

	const groups = 8 // so that seeds can run beside each other without a test for each
	for group := range uint64(groups) {
		t.Run(fmt.Sprint(group), func(t *testing.T) {
			t.Parallel()

			for seed := group + 1; seed <= *seeds; seed += groups {
				run(t, seed)
			}
		})
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	const times, different = 100, 4 // the seeds share the times

	for seed := range uint64(different) {
		want := run(t, seed+1)

		for range times {
			if got := run(t, seed+1); got != want {
				t.Fatalf("seed %d has two traces, first:\n%s\nthen:\n%s", seed+1, want, got)
			}
		}
	}
}

// A trace that is the same for every seed would prove nothing.
func TestOtherSeedOtherTrace(t *testing.T) {
	if run(t, 1) == run(t, 2) {
		t.Fatal("two seeds have the same trace")
	}
}

const calm = 3 * time.Minute // longer than any backoff, stop and pause
