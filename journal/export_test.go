package journal

import (
	"context"
	"time"
)

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

// CheckBrokenOff begins to check the structure of a database, breaks that off after a while, and returns how many
// connections are in use after it.
func CheckBrokenOff(path string, after time.Duration) (inUse int, err error) {
	pool, err := openPool(path, "rw", 1)
	if err != nil {
		return 0, err
	}
	defer pool.Close()

	if err := pool.Ping(); err != nil {
		return 0, err
	}

	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()

	store := &store{path: path, readers: pool}
	if _, err := store.structure(ctx); err != nil && ctx.Err() == nil {
		return 0, err
	}

	return pool.Stats().InUse, nil
}
