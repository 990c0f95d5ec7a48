package api

import (
	"sync"
	"time"
)

// streamShare is what gRPC keeps of a stream at most, with one message of usual size.
const streamShare = 96 << 10

// debt is how many bytes wait to be written to a connection, whose client takes none for as long as it likes. gRPC keeps them
// when the call they belong to has long been answered. What else is written counts as paid back too.
type debt struct {
	mu      sync.Mutex
	most    int // that may wait, beside the share of each open stream
	bytes   int
	streams int
	since   time.Time // when it last became too much
}

// answer adds an answer, of whatever size, unless too much waits already: since when it does.
func (d *debt) answer(size, most int) (added bool, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.most = most; d.tooMuch() {
		return false, d.since
	}

	d.add(size)

	return true, d.since
}

// open adds a stream in the same way, until shut is called.
func (d *debt) open(most int) (opened bool, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.most = most; d.tooMuch() {
		return false, d.since
	}

	d.streams++

	return true, d.since
}

// shut is called when a stream has ended.
func (d *debt) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.streams--
	d.add(0) // its share is gone
}

// send adds a message of a stream.
func (d *debt) send(size int) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.add(size)
}

// pay is called with what was written.
func (d *debt) pay(written int) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.bytes = max(0, d.bytes-written)
	if !d.tooMuch() {
		d.since = time.Time{}
	}
}

func (d *debt) tooMuch() bool { return d.bytes > d.most+d.streams*streamShare }

func (d *debt) add(size int) {
	if d.bytes += size; d.tooMuch() && d.since.IsZero() {
		d.since = time.Now()
	}
}
