package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
)

// kernelClock is the real time: both clocks of the kernel, and Go's timers.
type kernelClock struct{}

func (kernelClock) Now() *events.Instant {
	return &events.Instant{WallNs: nanoseconds(unix.CLOCK_REALTIME), BootNs: nanoseconds(unix.CLOCK_BOOTTIME)}
}

func (kernelClock) AfterFunc(wait time.Duration, f func()) func() bool {
	return time.AfterFunc(wait, f).Stop
}

func nanoseconds(clock int32) int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		panic("cannot read the clock: " + err.Error()) // only for a clock that does not exist
	}

	return now.Nano()
}
