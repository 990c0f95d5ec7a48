package journal

import "time"

// WithRetry sets how long a degraded journal waits between two tries.
func (o Options) WithRetry(retry time.Duration) Options {
	o.retry = retry

	return o
}
