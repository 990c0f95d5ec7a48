package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/extactor/extactor/condition"
)

const (
	// A socket exists a moment before its listener accepts, so the first attempts follow each other closely.
	firstRetry = 10 * time.Millisecond
	lastRetry  = time.Second
)

// socketState is what was found at one path; the zero value says that nobody looked yet.
type socketState struct {
	known, exists, accepts bool
	detail                 string
}

// fallback takes the place of sockets that are not there.
type fallback struct {
	probe  Probe
	reason string // why it does: "no CRI is installed"
}

// sockets is up while at least one of the paths has a unix socket that accepts. With a fallback, that counts while none
// of the paths exists.
func sockets(paths []string, watcher Watcher, absent *fallback) Probe {
	return socketsBy(dialUnix, paths, watcher, absent)
}

func socketsBy(dial dialer, paths []string, watcher Watcher, absent *fallback) Probe {
	return running(func(ctx context.Context, tell tell) {
		all := &socketSet{tell: tell, states: make([]socketState, len(paths))}

		if absent != nil {
			all.reason = absent.reason
			stop := absent.probe.Watch(all.setFallback)

			defer stop()
		}

		var group sync.WaitGroup

		for i, path := range paths {
			group.Go(func() {
				followSocket(ctx, dial, watcher, path, func(state socketState) { all.set(i, state) })
			})
		}

		<-ctx.Done()
		group.Wait()
	})
}

// followSocket sets what is at the path: at each change that the watcher tells, again while it does not accept, and now
// and then while it does.
func followSocket(ctx context.Context, dial dialer, watcher Watcher, path string, set func(socketState)) {
	watched := condition.Condition{Kind: condition.Path, Name: path}
	present := make(chan bool, 1) // the latest fact

	stop := watcher.Watch(watched, func(fact condition.Fact) {
		select {
		case <-present:
		default:
		}

		present <- watched.Met(fact) // there is room: facts come one at a time
	})
	defer stop()

	var (
		exists bool
		retry  time.Duration
		again  <-chan time.Time
	)

	for {
		select {
		case <-ctx.Done():
			return
		case exists = <-present:
			retry = firstRetry
		case <-again:
		}

		state := socketState{known: true, detail: fmt.Sprintf("%q does not exist", path)}
		again = nil

		if exists {
			err := dial(ctx, path)

			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				state = socketState{known: true, exists: true, accepts: true, detail: fmt.Sprintf("%q accepts", path)}
				again, retry = time.After(recheckAfter), firstRetry
			default:
				if !errors.Is(err, fs.ErrNotExist) {
					state.exists, state.detail = true, fmt.Sprintf("%q does not accept: %s", path, oneLine(cause(err).Error()))
				}

				again, retry = time.After(retry), min(2*retry, lastRetry)
			}
		}

		set(state)
	}
}

// socketSet concludes from several sockets and their fallback.
type socketSet struct {
	tell   tell
	reason string // of the fallback; "" without one

	mu     sync.Mutex
	states []socketState
	// What the fallback says.
	known, up bool
	detail    string
}

func (s *socketSet) set(i int, state socketState) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.states[i] = state
	s.conclude()
}

func (s *socketSet) setFallback(up bool, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.known, s.up, s.detail = true, up, detail
	s.conclude()
}

// conclude is called with the lock held. One socket that accepts is enough; anything else is said when all are known.
func (s *socketSet) conclude() {
	unknown, refuses := false, ""

	for _, state := range s.states {
		switch {
		case state.accepts:
			s.tell(true, state.detail)

			return
		case !state.known:
			unknown = true
		case state.exists && refuses == "":
			refuses = state.detail
		}
	}

	switch {
	case unknown:
	case refuses != "":
		s.tell(false, refuses)
	case s.reason == "":
		s.tell(false, s.states[0].detail)
	case s.known && s.up:
		s.tell(true, "assumed: "+s.reason)
	case s.known:
		s.tell(false, s.reason+", and what stands in for it is down: "+s.detail)
	}
}
