package probe

import (
	"context"
	"time"

	"github.com/extactor/extactor/spec"
)

// What counts where the check does not say.
const (
	defaultInterval = 10 * time.Second
	defaultTimeout  = 5 * time.Second
)

// Monitor checks the health of one task until the context ends: first after the initial delay, then each time an
// interval after the end of the check before. It calls report, from its own goroutine, when the health or its message
// changes, so at most once in an interval.
//
// The health is unknown, and nothing is reported, until a check succeeds or as many fail in a row as the threshold says.
// A healthy task whose check fails fewer times stays healthy; its message says what fails. One check that succeeds makes
// it healthy again.
func Monitor(ctx context.Context, health spec.Health, check func(context.Context) (message string, err error),
	report func(healthy bool, message string),
) {
	interval := health.Interval
	if interval <= 0 {
		interval = defaultInterval
	}

	told := &teller{push: report}
	known, healthy, failures := false, false, 0

	for wait := health.InitialDelay; pause(ctx, wait); wait = interval {
		message, err := check(ctx)
		if ctx.Err() != nil {
			return
		}

		if err == nil {
			known, healthy, failures = true, true, 0
		} else {
			message = err.Error()

			if failures++; failures >= health.FailureThreshold {
				known, healthy = true, false
			}
		}

		if known {
			told.tell(healthy, message)
		}
	}
}
