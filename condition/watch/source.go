package watch

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/extactor/extactor/condition"
)

// An observer looks at one thing in the system. Its methods are called one at a time.
type observer interface {
	// observe makes sure that a later change leads to source.look, and then publishes what it sees. It may block.
	observe(publish func(condition.Fact))
	// release gives back everything that observe took. Nothing is observed after it.
	release()
}

// source is one observation, shared by the watches of equal conditions. It has a goroutine only while it looks, so one
// look that hangs holds up nobody else, and looks asked for in the meantime become one.
type source struct {
	observer observer
	running  *sync.WaitGroup

	mu          sync.Mutex
	looking     bool // a goroutine is looking
	again       bool // it shall look once more
	ended       bool
	timer       *time.Timer
	subscribers []*subscriber
}

// subscriber is one watch.
type subscriber struct {
	mu      sync.Mutex // held during push: one call at a time, none after stop
	push    func(condition.Fact)
	last    condition.Fact
	stopped bool
}

func (s *subscriber) deliver(fact condition.Fact) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.stopped || s.last != nil && reflect.DeepEqual(s.last, fact) {
		return
	}

	s.last = fact
	s.push(fact)
}

func (s *subscriber) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.stopped = true
}

func (s *source) add(added *subscriber) {
	s.mu.Lock()
	s.subscribers = append(s.subscribers, added)
	s.mu.Unlock()

	s.look()
}

// remove reports whether it removed the last subscriber.
func (s *source) remove(removed *subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	at := slices.Index(s.subscribers, removed)
	if at < 0 {
		return false
	}

	s.subscribers = slices.Delete(s.subscribers, at, at+1)

	return len(s.subscribers) == 0
}

func (s *source) stopAll() {
	s.mu.Lock()
	subscribers := s.subscribers
	s.subscribers = nil
	s.mu.Unlock()

	for _, subscriber := range subscribers {
		subscriber.stop()
	}
}

// look has the observer look, now or, if it is looking, once more after that. It never blocks.
func (s *source) look() {
	s.mu.Lock()
	defer s.mu.Unlock()

	switch {
	case s.ended:
	case s.looking:
		s.again = true
	default:
		s.start()
	}
}

// lookAfter has the observer look after the duration, instead of at the time asked for before.
func (s *source) lookAfter(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.timer != nil {
		s.timer.Stop()
	}

	if !s.ended {
		s.timer = time.AfterFunc(wait, s.look)
	}
}

// start is called with the lock held.
func (s *source) start() {
	s.looking = true

	s.running.Go(func() {
		for more := true; more; {
			if s.isEnded() {
				s.observer.release()

				return
			}

			s.observer.observe(s.publish)

			s.mu.Lock()
			more = s.again || s.ended
			s.again = false
			s.looking = more
			s.mu.Unlock()
		}
	})
}

func (s *source) isEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.ended
}

func (s *source) publish(fact condition.Fact) {
	s.mu.Lock()
	subscribers := slices.Clone(s.subscribers)
	s.mu.Unlock()

	for _, subscriber := range subscribers {
		subscriber.deliver(fact)
	}
}

// end has the observer release what it holds: now, or at the end of the look that is under way.
func (s *source) end() {
	s.mu.Lock()
	looking := s.looking
	already := s.ended
	s.ended = true

	if s.timer != nil {
		s.timer.Stop()
	}

	s.mu.Unlock()

	if !looking && !already {
		s.observer.release()
	}
}
