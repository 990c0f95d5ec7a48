package api

import (
	"sync"
	"time"
)

// debt is how many bytes of answers wait to be written to a connection, whose client takes none for as long as it likes.
// What else is written counts as paid back too.
type debt struct {
	mu    sync.Mutex
	bytes int
	since time.Time // when it last became more than it may be
}

// add adds an answer, of whatever size, unless more than the most is owed already: since when it is.
func (d *debt) add(answer, most int) (added bool, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.bytes > most {
		return false, d.since
	}

	if d.bytes += answer; d.bytes > most {
		d.since = time.Now()
	}

	return true, d.since
}

// pay is called with what was written.
func (d *debt) pay(written int) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.bytes = max(0, d.bytes-written)
}
