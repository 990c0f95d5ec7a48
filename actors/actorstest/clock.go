package actorstest

import (
	"sync"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
)

// round is the length of one round of instants. Each thing that can wait has an instant of its own in every round, so
// that no two of them ever end in the same nanosecond: their order would be that of the scheduler of goroutines.
const (
	round     = 1 << 16 * time.Nanosecond
	slotCalls = 1 << 13 // the first instants are for calls to the container runtime, the others for timers
)

// Clock is time in a testing/synctest bubble. The boot clock passes as the bubble's does; the wall clock can be made to jump.
type Clock struct {
	begin time.Time
	boot  time.Duration // what the boot clock showed at the beginning

	mu     sync.Mutex
	jumped time.Duration
	timers int
	runs   int    // of the daemon: its timers end with it
	armed  func() // called when a timer is armed
}

var _ actors.Clock = (*Clock)(nil)

func newClock() *Clock { return &Clock{begin: time.Now(), boot: time.Second} }

// Now returns both clocks.
func (c *Clock) Now() *events.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()

	return &events.Instant{
		WallNs: time.Now().Add(c.jumped).UnixNano(), BootNs: int64(c.boot + time.Since(c.begin)),
	}
}

// Jump moves the wall clock, as the first synchronisation after the boot does.
func (c *Clock) Jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.jumped += by
}

// AfterFunc calls f after the duration and less than one round more.
func (c *Clock) AfterFunc(wait time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	slot := slotCalls + c.timers%(int(round)-slotCalls)
	c.timers++
	armed, run := c.armed, c.runs
	c.mu.Unlock()

	if armed != nil {
		armed()
	}

	return time.AfterFunc(c.until(wait, slot), func() {
		c.mu.Lock()
		ended := c.runs != run
		c.mu.Unlock()

		if !ended {
			f()
		}
	}).Stop
}

// end ends the timers of this run of the daemon.
func (c *Clock) end() {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.runs++
}

// until returns how long it is to the slot's first instant after the wait.
func (c *Clock) until(wait time.Duration, slot int) time.Duration {
	at := time.Since(c.begin) + max(wait, 1)
	ahead := (time.Duration(slot) - at%round + round) % round

	return max(wait, 1) + ahead
}
