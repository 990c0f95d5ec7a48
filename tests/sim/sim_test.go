package sim_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors/actorstest"
)

var (
	oneSeed = flag.Uint64("seed", 0, "replay this seed only, and print its trace")
	seeds   = flag.Uint64("seeds", 500, "how many seeds to run")
)

// calm is longer than any backoff, stop and pause.
const calm = 3 * time.Minute

// run lives one seed through and returns its trace; seen is given the kind of each record and each row of a recovery.
func run(t *testing.T, seed uint64, seen func(string)) (trace string) {
	t.Helper()

	defer func() {
		if t.Failed() {
			t.Logf("replay with: go test ./tests/sim -run TestSeeds -v -seed %d", seed)
		}
	}()

	synctest.Test(t, func(t *testing.T) {
		w := actorstest.NewWorld(t, seed)
		newPlay(w).perform()

		trace = w.Trace()

		for _, record := range w.Journal.Records() {
			seen(record.Kind)

			if row := record.Event.GetRecovered().GetRow(); row != "" {
				seen("recovered: " + row)
			}
		}
	})

	return trace
}

func nothing(string) {}

func TestSeeds(t *testing.T) {
	if *oneSeed != 0 {
		t.Log(run(t, *oneSeed, nothing))

		return
	}

	var mu sync.Mutex

	counts := make(map[string]int)
	count := func(kind string) {
		mu.Lock()
		defer mu.Unlock()

		counts[kind]++
	}

	t.Run("each", func(t *testing.T) {
		const groups = 8 // so that seeds can run beside each other without a test for each
		for group := range uint64(groups) {
			t.Run(fmt.Sprint(group), func(t *testing.T) {
				t.Parallel()

				for seed := group + 1; seed <= *seeds; seed += groups {
					run(t, seed, count)
				}
			})
		}
	})

	if *seeds >= 500 {
		wantAll(t, counts)
	}
}

// wantAll makes sure that the seeds lead everywhere: what never happens is not tested.
func wantAll(t *testing.T, counts map[string]int) {
	t.Helper()

	for _, kind := range []string{
		"command.LoadSpec", "command.StartService", "command.StopService", "command.RestartService", "command.ShutdownService",
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
		"recovered: ended, orphan: delete", "recovered: backoff, nothing there: re-arm the remaining time",
	} {
		if counts[kind] == 0 {
			t.Errorf("no seed led to %q", kind)
		}
	}

	t.Logf("over all seeds: %v", counts)
}

func TestSameSeedSameTrace(t *testing.T) {
	same := func(seed uint64, times int) {
		want := run(t, seed, nothing)

		for range times {
			if got := run(t, seed, nothing); got != want {
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
	if run(t, 1, nothing) == run(t, 2, nothing) {
		t.Fatal("two seeds have the same trace")
	}
}
