package sim_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	oneSeed = flag.Uint64("seed", 0, "replay this seed only, and print its trace")
	from    = flag.Uint64("from", 1, "the first seed")
	seeds   = flag.Uint64("seeds", 500, "how many seeds to run")
)

// calm is longer than any backoff, stop and pause.
const calm = 3 * time.Minute

func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		result := run(t, *oneSeed, nil)
		fmt.Print(result.trace)
		report(t, result)

		return
	}

	figures := newFigures()

	t.Run("each", func(t *testing.T) {
		next := make(chan uint64)

		go func() {
			defer close(next)

			for seed := range *seeds {
				next <- *from + seed
			}
		}()

		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()

				for seed := range next {
					result := runQuickly(t, seed)
					figures.add(result)
					report(t, result)
				}
			})
		}
	})

	fmt.Print(figures)

	if *seeds >= 500 {
		figures.wantAll(t)
	}
}

// report fails the test where a play went wrong, with all that is needed to play it again.
func report(t *testing.T, result result) {
	t.Helper()

	if len(result.problems) > 0 {
		fmt.Println(strings.Join(result.problems, "\n")) // without the margin of a test's log, so that a script can be copied
		t.Errorf("seed %d went wrong: %.1000s\nplay it again with: make sim SEED=%d", result.seed, result.problems[0], result.seed)
	}
}

// wantAll makes sure that the seeds lead everywhere: what never happens is not tested.
func (f *figures) wantAll(t *testing.T) {
	t.Helper()

	for _, kind := range []string{
		"command.LoadSpec", "command.StartService", "command.StopService", "command.RestartService", "command.SignalService", "command.ShutdownService",
		"command.ObserveCondition", "command.ElapseTimer", "command.ReportPrepared", "command.ReportStarted",
		"command.ReportStartFailed", "command.ReportExited", "command.RecoverService",
		"SpecLoaded", "DesiredChanged", "AttemptBegan", "ConditionChanged", "UnmetChanged", "PreparationStarted", "RunnerCreated",
		"TaskStarted", "StartFailed", "TaskExited", "RestartScheduled", "BackoffElapsed", "StopBegan", "SignalSent",
		"command.ChangeSpec", "command.RemoveService", "command.ReportHealth", "command.ReportConfigRefused",
		"SpecChanged", "SpecRejected", "ConfigDelivered", "HealthChanged", "HostChanged", "DependencyTimedOut", "ServiceSkipped",
		"ServiceFinished", "ServiceFailed", "TaskAdopted", "TaskLost", "TaskDiscarded", "Snapshot", "Recovered",
		"RuntimeConnected", "RuntimeDisconnected", "DaemonStarted",
		"recovered: running, same hash: adopt", "recovered: running, other hash: restart with the new file",
		"recovered: exited: record the exit", "recovered: running, nothing there: lost",
		"recovered: preparing, nothing there: retry", "recovered: another boot: delete",
		"recovered: stopping, running: go on stopping", "recovered: stopping, nothing there: finish",
		"recovered: preparing, created: delete and retry",
		"recovered: waiting, the journal lost the start: adopt", "recovered: waiting, stale attempt: delete",
		"recovered: ended, orphan: delete", "recovered: backoff, nothing there: re-arm the remaining time",
	} {
		if f.kinds[kind] == 0 {
			t.Errorf("no seed led to %q", kind)
		}
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	same := func(seed uint64, times int) {
		want := run(t, seed, nil).trace

		for range times {
			if got := run(t, seed, nil).trace; got != want {
				t.Fatalf("seed %d has two traces, first:\n%s\nthen:\n%s", seed, want, got)
			}
		}
	}

	same(1, 100)

	for seed := range uint64(30) {
		same(seed+2, 1)
	}
}

// A trace that is the same for every seed would prove nothing.
func TestOtherSeedOtherTrace(t *testing.T) {
	if run(t, 1, nil).trace == run(t, 2, nil).trace {
		t.Fatal("two seeds have the same trace")
	}
}
