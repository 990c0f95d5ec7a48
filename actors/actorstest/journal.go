package actorstest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
)

// Journal is the model of a journal: two lists. What is recorded survives a crash, what is buffered does not.
type Journal struct {
	hooks journalHooks

	mu       sync.Mutex
	recorded []events.Record
	buffered []events.Record // not empty only while degraded
	degraded bool
	bootID   string // of the records to come
	synced   uint64 // last sequence that Sync made safe
	changed  chan struct{}
}

// journalHooks let the harness look on.
type journalHooks struct {
	before func(decision events.Decision)
	after  func(decision events.Decision, receipt events.Receipt)
}

var _ actors.Journal = (*Journal)(nil)

// NewJournal returns an empty journal that is not degraded.
func NewJournal() *Journal {
	return &Journal{
		changed: make(chan struct{}),
		hooks: journalHooks{
			before: func(events.Decision) {},
			after:  func(events.Decision, events.Receipt) {},
		},
	}
}

// Append records the decision, or buffers it while the journal is degraded.
func (j *Journal) Append(decision events.Decision) events.Receipt {
	j.hooks.before(decision)
	receipt := j.append(decision)
	j.hooks.after(decision, receipt)

	return receipt
}

func (j *Journal) append(decision events.Decision) events.Receipt {
	j.mu.Lock()
	defer j.mu.Unlock()

	records := rows(decision, j.last()+1, j.bootID)
	receipt := events.Receipt{Outcome: events.Recorded, Records: records}

	if j.degraded {
		receipt.Outcome = events.Buffered
		j.buffered = append(j.buffered, records...)
	} else {
		j.recorded = append(j.recorded, records...)
	}

	close(j.changed)
	j.changed = make(chan struct{})

	return receipt
}

// rows lays a decision out as records: the command first, where there is one. Messages are copied: what callers do with
// theirs later is nothing to the model.
func rows(decision events.Decision, first uint64, bootID string) []events.Record {
	base := events.Record{
		BootID: bootID, Service: decision.Service, WallNS: decision.At.GetWallNs(), BootNS: decision.At.GetBootNs(),
		Cause: decision.Cause, Decision: first, Origin: decision.Origin,
	}

	var records []events.Record

	if decision.Command != nil {
		command := base
		command.Seq, command.Kind, command.Command = first, decision.Command.KindName(), proto.CloneOf(decision.Command)
		records = append(records, command)
	}

	for _, entry := range decision.Entries {
		event := base
		event.Seq, event.Kind, event.Event = first+uint64(len(records)), entry.Event.KindName(), proto.CloneOf(entry.Event)
		event.State, event.Attempt, event.Message = entry.State, entry.Attempt, entry.Message

		if event.Kind == "" { // of a newer version: only what stands beside it can be read
			event.Kind, event.Event = "unknown", nil
		}

		records = append(records, event)
	}

	return records
}

// Sync makes what is recorded safe; while the journal is degraded it cannot.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.degraded {
		return errors.New("cannot sync the journal: the disk is full")
	}

	j.synced = j.last()

	return nil
}

// Synced returns the last sequence that is safe against a power cut.
func (j *Journal) Synced() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.synced
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

// Degraded tells whether the disk fails.
func (j *Journal) Degraded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.degraded
}

// rewind makes what was written by a moment all that is recorded.
func (j *Journal) rewind(written []events.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.recorded, j.buffered = written, nil
}

// crash forgets what was only buffered and returns how many records that were.
func (j *Journal) crash() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	lost := len(j.buffered)
	j.buffered = nil

	return lost
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
		}
	}

	j.recorded = slices.DeleteFunc(j.recorded, func(record events.Record) bool { return record.Seq < first[record.Service] })
}

// Records returns all records, recorded and buffered, in order.
func (j *Journal) Records() []events.Record {
	j.mu.Lock()
	defer j.mu.Unlock()

	return slices.Concat(j.recorded, j.buffered)
}

// Replay yields the records of a service, as they are when it is called.
func (j *Journal) Replay(service string, yield func(events.Record) bool) error {
	for _, record := range j.Records() {
		if record.Service == service && !yield(record) {
			return nil
		}
	}

	return nil
}

// Tail returns the last n records of a service that have a message; the empty name means all services.
func (j *Journal) Tail(service string, n int) ([]events.Record, error) {
	records := slices.DeleteFunc(j.Records(), func(record events.Record) bool {
		return service != "" && record.Service != service || record.Message == ""
	})

	return records[max(0, len(records)-n):], nil
}

// last returns the last sequence. Records are deleted from the front of a service only, so the newest one is always there.
func (j *Journal) last() uint64 {
	switch {
	case len(j.buffered) > 0:
		return j.buffered[len(j.buffered)-1].Seq
	case len(j.recorded) > 0:
		return j.recorded[len(j.recorded)-1].Seq
	default:
		return 0
	}
}

// Stream reads the journal live.
type Stream struct {
	journal *Journal
	after   uint64
	closed  chan struct{}
	once    sync.Once
}

// Subscribe returns a reader of all records after a sequence, those to come included.
func (j *Journal) Subscribe(after uint64) *Stream {
	return &Stream{journal: j, after: after, closed: make(chan struct{})}
}

// Next blocks until there is another record.
func (s *Stream) Next(ctx context.Context) (events.Record, error) {
	for {
		record, changed, found := s.journal.next(s.after)

		select {
		case <-s.closed:
			return events.Record{}, errors.New("cannot read the journal: the stream is closed")
		default:
		}

		if found {
			s.after = record.Seq

			return record, nil
		}

		select {
		case <-changed:
		case <-s.closed:
		case <-ctx.Done():
			return events.Record{}, context.Cause(ctx)
		}
	}
}

// Close ends Next.
func (s *Stream) Close() { s.once.Do(func() { close(s.closed) }) }

func (j *Journal) next(after uint64) (record events.Record, changed <-chan struct{}, found bool) {
	j.mu.Lock()
	defer j.mu.Unlock()

	bySeq := func(record events.Record, seq uint64) int {
		if record.Seq < seq {
			return -1
		}

		return min(1, int(record.Seq-seq))
	}

	for _, records := range [][]events.Record{j.recorded, j.buffered} {
		if i, _ := slices.BinarySearchFunc(records, after+1, bySeq); i < len(records) {
			return records[i], j.changed, true
		}
	}

	return events.Record{}, j.changed, false
}
