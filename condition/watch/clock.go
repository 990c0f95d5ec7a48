package watch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// clock observes whether the kernel's clock is synchronised. The kernel cannot notify this, so it is asked at intervals,
// but only while someone watches and only until it has been synchronised once.
type clock struct {
	watchers *Watchers
	source   *source

	stopFlag func()
	failed   string // what was last reported
}

func (c *clock) observe(publish func(condition.Fact)) {
	latch := &c.watchers.synchronized

	if !latch.Load() {
		c.watchFlag()

		synchronized, err := c.watchers.options.ClockStatus()
		if err != nil {
			c.report(err)
		} else if synchronized {
			latch.Store(true)
		}
	}

	synchronized := latch.Load()
	publish(condition.TimeFact{Synchronized: synchronized})

	if synchronized {
		c.release()

		return
	}

	c.source.lookAfter(c.watchers.options.PollInterval)
}

// watchFlag watches the file by which a time daemon says that it has synchronised the clock.
func (c *clock) watchFlag() {
	if c.stopFlag != nil || c.watchers.options.TimesyncFlag == "" {
		return
	}

	flag := condition.Condition{Kind: condition.Path, Name: c.watchers.options.TimesyncFlag}

	c.stopFlag = c.watchers.Watch(flag, func(fact condition.Fact) {
		if flag.Met(fact) {
			c.watchers.synchronized.Store(true)
			c.source.look()
		}
	})
}

func (c *clock) report(err error) {
	if text := err.Error(); text != c.failed {
		c.failed = text
		c.watchers.options.Logger.Warn().Err(err).Msg("cannot read the clock's status: trying again")
	}
}

func (c *clock) release() {
	if c.stopFlag != nil {
		c.stopFlag()
		c.stopFlag = nil
	}
}

func kernelClockStatus() (bool, error) {
	var status unix.Timex // no mode: ask, change nothing

	if _, err := unix.Adjtimex(&status); err != nil {
		return false, fmt.Errorf("cannot read the clock's status: %w", err)
	}

	return status.Status&unix.STA_UNSYNC == 0, nil
}
