package main

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// clock is one instant on both clocks of this machine.
type clock struct {
	wallNS, bootNS int64
	bootID         string
}

func localClock() clock {
	var boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) // cannot fail where Linux is new enough for containers

	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it ages are those of the wall clock

	return clock{wallNS: time.Now().UnixNano(), bootNS: boot.Nano(), bootID: strings.TrimSpace(string(id))}
}

// age is how long ago something was: by the boot clock within this boot, as the wall clock may have jumped since; else by
// the wall clock. It is never negative.
func (c clock) age(at *apiv1.Moment) time.Duration {
	age := c.wallNS - at.GetWallNs()
	if at.GetBootId() == c.bootID && c.bootID != "" {
		age = c.bootNS - at.GetBootNs()
	}

	return time.Duration(max(age, 0))
}

// ago is the age as people read it: "2m47s ago".
func (c clock) ago(at *apiv1.Moment) string {
	return c.age(at).Round(time.Second).String() + " ago"
}

// timestamp is RFC 3339 with nanoseconds, in UTC.
func timestamp(at *apiv1.Moment) string {
	return time.Unix(0, at.GetWallNs()).UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}
