package watch

import "time"

const (
	// settleTime without a change ends a burst of changes.
	settleTime = 200 * time.Millisecond
	// burstLimit ends one in which changes never settle.
	burstLimit = 2 * time.Second
	// burstNames bounds what a burst remembers.
	burstNames = 1000
)

// burst is changes of a directory that follow each other closely and are told as one. The zero value is none.
type burst struct {
	first, last time.Time
	names       map[string]struct{} // entries that something happened to
	certain     bool                // something changed, whatever the listings before and after say
}

func (b *burst) begun() bool { return !b.first.IsZero() }

// add notes a change of the entry of that name, or of none in particular ("").
func (b *burst) add(now time.Time, name string) {
	if !b.begun() {
		b.first = now
	}

	b.last = now

	switch {
	case name == "":
	case len(b.names) >= burstNames:
		b.certain = true
	default:
		if b.names == nil {
			b.names = map[string]struct{}{}
		}

		b.names[name] = struct{}{}
	}
}

// extend puts in front a burst that was thought to be over.
func (b *burst) extend(before burst, now time.Time) {
	b.certain = b.certain || before.certain

	for name := range before.names {
		b.add(now, name)
	}

	b.first, b.last = before.first, now
}

// due is when the burst is over, if nothing further happens.
func (b *burst) due() time.Time {
	settled, limit := b.last.Add(settleTime), b.first.Add(burstLimit)
	if settled.Before(limit) {
		return settled
	}

	return limit
}

// changed tells whether the burst changed what is in the directory. Where an editor made and deleted a file it did not.
// What was written counts even where the listing shows no difference: a file's time is too coarse to tell two writes
// within one tick of the kernel.
func (b *burst) changed(before, after listing) bool {
	if b.certain || !before.equal(after) {
		return true
	}

	for name := range b.names {
		if _, exists := after[name]; exists {
			return true
		}
	}

	return false
}
