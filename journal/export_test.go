package journal

import "time"

// WithRetry sets how long a degraded journal waits between two tries.
func (o Options) WithRetry(retry time.Duration) Options {
	o.retry = retry

	return o
}

// WithPatience sets how long Append waits for the disk, if that is not set yet.
func (o Options) WithPatience(patience time.Duration) Options {
	if o.patience == 0 {
		o.patience = patience
	}

	return o
}
