package oci

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/extactor/extactor/spec"
)

// answerTime is how long a file system may be silent before a start that needs it fails.
const answerTime = 10 * time.Second

// looks run Preflight where a file system that does not answer holds up nobody. Such a look cannot be ended, only left
// alone, and holds a thread: for each service there is one at most. The zero value is ready.
type looks struct {
	mu   sync.Mutex
	open map[string]*look // by id
}

type look struct {
	done chan struct{}
	err  error // valid once done is closed

	mu   sync.Mutex
	path string // that is being looked at
}

// preflight returns what Preflight returns, or why nothing can be said: the context has ended, or a path is silent.
func (l *looks) preflight(ctx context.Context, service *spec.Service, host Host) error {
	for {
		mine, begun := l.begin(ctx, service, host)
		if err := mine.wait(ctx, service.ID()); err != nil {
			return err
		}

		if begun {
			return mine.err
		}
	}
}

// begin begins a look, or returns that which an earlier attempt left.
func (l *looks) begin(ctx context.Context, service *spec.Service, host Host) (_ *look, begun bool) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if earlier := l.open[service.ID()]; earlier != nil {
		return earlier, false
	}

	if l.open == nil {
		l.open = make(map[string]*look)
	}

	mine := &look{done: make(chan struct{})}
	l.open[service.ID()] = mine

	go func() {
		mine.err = checkHost(ctx, service, host, mine.at)

		l.mu.Lock()
		delete(l.open, service.ID())
		l.mu.Unlock()

		close(mine.done)
	}()

	return mine, true
}

// at notes what is being looked at.
func (l *look) at(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.path = path
}

// wait returns nil once the look is over. It gives up when it has stood at one path from one tick to the next.
func (l *look) wait(ctx context.Context, id string) error {
	tick := time.NewTicker(answerTime)
	defer tick.Stop()

	for before := ""; ; {
		select {
		case <-l.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("cannot start %q: stopped waiting for %q to answer: %w", id, l.place(), context.Cause(ctx))
		case <-tick.C:
			now := l.place()
			if now == before {
				return fmt.Errorf("cannot start %q: %q does not answer: its file system has been silent for %v", id, now, answerTime)
			}

			before = now
		}
	}
}

func (l *look) place() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.path
}
