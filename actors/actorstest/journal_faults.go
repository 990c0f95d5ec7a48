package actorstest

import (
	"slices"

	"github.com/extactor/extactor/events"
)

// Boundary is a moment of an append in which the daemon may die.
type Boundary string

// The two sides of a commit. A torn write is one that never committed.
const (
	BeforeCommit Boundary = "before the commit" // the decision is in no journal
	AfterCommit  Boundary = "after the commit"  // it is, but Append has not returned
)

// burn returns the boundary at which the daemon dies in this append, and nothing where it does not.
func (j *Journal) burn() Boundary {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.fuse == 0 {
		return ""
	}

	if j.fuse--; j.fuse > 0 {
		return ""
	}

	return j.boundary
}

// arm lets the daemon die in an append: the next one for 1. 0 disarms.
func (j *Journal) arm(appends int, boundary Boundary) {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.fuse, j.boundary = appends, boundary
}

// kill: what the daemon appends from now on is written nowhere.
func (j *Journal) kill() {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.dead, j.fuse = true, 0
}

// revive follows the start of the next daemon, in a boot.
func (j *Journal) revive(bootID string) {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.dead, j.bootID = false, bootID
}

// Degrade lets the disk fail from now on.
func (j *Journal) Degrade() {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.degraded = true
}

// Repair brings the disk back: what is buffered is recorded.
func (j *Journal) Repair() {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.degraded = false
	j.recorded = append(j.recorded, j.buffered...)
	j.buffered = nil
}

// Hang lets the next append take a second, after which the disk counts as failed.
func (j *Journal) Hang() {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.hanging = true
}

func (j *Journal) hangs() bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	hangs := j.hanging
	j.hanging = false

	return hangs
}

// Degraded tells whether the disk fails.
func (j *Journal) Degraded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.degraded
}

// crash forgets what was only buffered and returns how many records that were.
func (j *Journal) crash() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	lost := len(j.buffered)
	j.buffered = nil

	return lost
}

// PowerCut forgets what was not synced, and returns how many records that were.
func (j *Journal) PowerCut() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.keep(func(record events.Record) bool { return record.Seq <= j.synced })
}

// Tear forgets the last decisions, as if the tail of the database had been destroyed, and returns how many records that
// were.
func (j *Journal) Tear(decisions int) int {
	j.mu.Lock()
	defer j.mu.Unlock()

	first := j.last() + 1
	for ; decisions > 0 && first > 1; decisions-- {
		index := slices.IndexFunc(j.recorded, func(record events.Record) bool { return record.Seq == first-1 })
		if index < 0 {
			break
		}

		first = j.recorded[index].Decision
	}

	return j.keep(func(record events.Record) bool { return record.Seq < first })
}

// Damage forgets single records, as if bits of them had been flipped: all for which damaged says so. The newest one stays,
// so that its sequence is not given again. It returns how many they were.
func (j *Journal) Damage(damaged func(record events.Record) bool) int {
	j.mu.Lock()
	defer j.mu.Unlock()

	var newest uint64 // of those that are in the database
	for _, record := range j.recorded {
		newest = max(newest, record.Seq)
	}

	return j.keep(func(record events.Record) bool { return record.Seq == newest || !damaged(record) })
}

// keep must be called with the lock held.
func (j *Journal) keep(kept func(record events.Record) bool) (lost int) {
	before := len(j.recorded) + len(j.buffered)
	j.recorded = slices.DeleteFunc(slices.Clone(j.recorded), func(record events.Record) bool { return !kept(record) })
	j.buffered = nil
	j.synced = min(j.synced, j.last()) // a sequence that is given again is another record, which is not synced yet

	return before - len(j.recorded)
}

// Lose forgets everything, as if the state directory had been emptied.
func (j *Journal) Lose() {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.recorded, j.buffered, j.synced = nil, nil, 0
}

// ForgetBeforeSnapshots deletes what retention may delete: of each service, what is older than its last snapshot.
func (j *Journal) ForgetBeforeSnapshots() {
	j.mu.Lock()
	defer j.mu.Unlock()

	first := make(map[string]uint64)
	for _, record := range j.recorded {
		if record.Event.GetSnapshot() != nil {
			first[record.Service] = record.Seq
			j.forgotten = max(j.forgotten, record.Seq)
		}
	}

	j.recorded = slices.DeleteFunc(j.recorded, func(record events.Record) bool { return record.Seq < first[record.Service] })
}
