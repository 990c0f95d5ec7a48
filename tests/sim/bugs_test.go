package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// A bug is put between the actors and one of their ports. The judges stand behind the port, so that they see what comes
// of it.
var bugs = map[string]func(config *actors.Config){
	"a journal that acknowledges a decision and records it only with the next one": func(config *actors.Config) {
		config.Journal = &lateJournal{Journal: config.Journal}
	},
	"a journal that acknowledges one decision in forty without recording it": func(config *actors.Config) {
		config.Journal = &forgetfulJournal{Journal: config.Journal}
	},
	"a journal that says that it has synced, and has not": func(config *actors.Config) {
		config.Journal = unsyncedJournal{config.Journal}
	},
	"a journal that does not replay the last record": func(config *actors.Config) {
		config.Journal = shortJournal{config.Journal}
	},
	"a runtime that takes a lost connection for exit 255": func(config *actors.Config) {
		config.Runtime = exit255{config.Runtime}
	},
	"a runtime that waits for ever once the connection was lost": func(config *actors.Config) {
		config.Runtime = deafWait{config.Runtime}
	},
	"a runtime that takes a failed listing for an empty one": func(config *actors.Config) {
		config.Runtime = blindListing{config.Runtime}
	},
	"a runtime that lists tasks under the next attempt": func(config *actors.Config) {
		config.Runtime = wrongAttempt{config.Runtime}
	},
	"a runtime that does not delete what an earlier attempt left": func(config *actors.Config) {
		config.Runtime = untidyPrepare{config.Runtime}
	},
	"a runtime that starts a task twice": func(config *actors.Config) {
		config.Runtime = doubleStart{config.Runtime}
	},
	"a runtime whose errors show the environment": func(config *actors.Config) {
		config.Runtime = talkative{config.Runtime}
	},
	"a clock that forgets one timer in ten": func(config *actors.Config) {
		config.Clock = &forgetfulClock{Clock: config.Clock}
	},
	"a watcher that tells only the first fact": func(config *actors.Config) {
		config.Watcher = onceWatcher{config.Watcher}
	},
}

// findWithin is how many seeds a bug may stay hidden.
const findWithin = 300

// A simulation that finds nothing proves nothing unless it finds what is there.
func TestSeededBugsAreFound(t *testing.T) {
	for name, plant := range bugs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			for seed := range uint64(findWithin) {
				lived := run(t, seed+1, func(w *actorstest.World) {
					w.Plant = plant
					w.Mute()
				})
				if len(lived.problems) > 0 {
					problem, _, _ := strings.Cut(lived.problems[0], "\nTRACE")
					t.Logf("found after %d seeds: %.300s", seed+1, problem)

					return
				}
			}

			t.Errorf("not found within %d seeds", findWithin)
		})
	}
}

// receiptOf is what a journal would have answered.
func receiptOf(decision events.Decision, last uint64) events.Receipt {
	receipt := events.Receipt{Outcome: events.Recorded}
	add := func(record events.Record) {
		last++
		record.Seq, record.Service, record.Cause, record.Origin = last, decision.Service, decision.Cause, decision.Origin
		record.WallNS, record.BootNS = decision.At.GetWallNs(), decision.At.GetBootNs()
		receipt.Records = append(receipt.Records, record)
	}

	if decision.Command != nil {
		add(events.Record{Kind: decision.Command.KindName(), Command: decision.Command})
	}

	for _, entry := range decision.Entries {
		add(events.Record{
			Kind: entry.Event.KindName(), Event: entry.Event, State: entry.State, Attempt: entry.Attempt, Message: entry.Message,
		})
	}

	return receipt
}

type lateJournal struct {
	actors.Journal
	late *events.Decision
	last uint64
}

func (j *lateJournal) Append(decision events.Decision) events.Receipt {
	if j.late != nil {
		j.last = j.Journal.Append(*j.late).Last()
	}

	j.late = &decision

	return receiptOf(decision, j.last)
}

type forgetfulJournal struct {
	actors.Journal
	last    uint64
	appends int
}

func (j *forgetfulJournal) Append(decision events.Decision) events.Receipt {
	if j.appends++; j.appends%40 == 0 {
		return receiptOf(decision, j.last)
	}

	receipt := j.Journal.Append(decision)
	j.last = receipt.Last()

	return receipt
}

type unsyncedJournal struct{ actors.Journal }

func (unsyncedJournal) Sync() error { return nil }

type shortJournal struct{ actors.Journal }

func (j shortJournal) Replay(id string, yield func(events.Record) bool) error {
	var before *events.Record

	return j.Journal.Replay(id, func(record events.Record) bool {
		again := before == nil || yield(*before)
		before = &record

		return again
	})
}

type exit255 struct{ actors.Runtime }

func (r exit255) Wait(ctx context.Context, task service.Task) (*service.Exit, error) {
	exit, err := r.Runtime.Wait(ctx, task)
	if err != nil && ctx.Err() == nil {
		return &service.Exit{Known: true, Code: 255}, nil
	}

	return exit, err
}

type deafWait struct{ actors.Runtime }

func (r deafWait) Wait(ctx context.Context, task service.Task) (*service.Exit, error) {
	exit, err := r.Runtime.Wait(ctx, task)
	if err != nil {
		<-ctx.Done()
	}

	return exit, err
}

type blindListing struct{ actors.Runtime }

func (r blindListing) Observe(ctx context.Context) (map[string]*service.Observed, error) {
	seen, err := r.Runtime.Observe(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, nil
	}

	return seen, err
}

type wrongAttempt struct{ actors.Runtime }

func (r wrongAttempt) Observe(ctx context.Context) (map[string]*service.Observed, error) {
	seen, err := r.Runtime.Observe(ctx)
	for _, observed := range seen {
		observed.Attempt++
	}

	return seen, err
}

type untidyPrepare struct{ actors.Runtime }

func (untidyPrepare) Prepare(context.Context, service.StartRequest) error { return nil }

type doubleStart struct{ actors.Runtime }

func (r doubleStart) Start(ctx context.Context, request service.StartRequest) (actors.Started, error) {
	if started, err := r.Runtime.Start(ctx, request); err != nil || request.Attempt%3 != 0 {
		return started, err
	}

	return r.Runtime.Start(ctx, request)
}

type talkative struct{ actors.Runtime }

func (r talkative) Start(ctx context.Context, request service.StartRequest) (actors.Started, error) {
	started, err := r.Runtime.Start(ctx, request)
	if err != nil {
		return started, errors.Join(err, fmt.Errorf("environment: %q", request.Spec.Container.Environment))
	}

	return started, nil
}

type forgetfulClock struct {
	actors.Clock

	mu     sync.Mutex
	timers int
}

func (c *forgetfulClock) AfterFunc(wait time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.timers++; c.timers%10 == 0 {
		f = func() {}
	}

	return c.Clock.AfterFunc(wait, f)
}

type onceWatcher struct{ actors.Watcher }

func (w onceWatcher) Watch(watched condition.Condition, push func(condition.Fact)) (stop func()) {
	var once sync.Once

	return w.Watcher.Watch(watched, func(fact condition.Fact) { once.Do(func() { push(fact) }) })
}
