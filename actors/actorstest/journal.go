package actorstest

import (
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
	hanging  bool // the next append
	dead     bool // the daemon: what it still appends is written nowhere
	fuse     int  // appends until the daemon dies in one; 0 for never
	boundary Boundary
	bootID   string // of the records to come
	synced   uint64 // last sequence that Sync made safe
	changed  chan struct{}

	forgotten uint64 // what is older may have been deleted
}

// journalHooks let the harness look on.
type journalHooks struct {
	before func(decision events.Decision)
	after  func(decision events.Decision, receipt events.Receipt)
	died   func()
}

var _ actors.Journal = (*Journal)(nil)

// NewJournal returns an empty journal that is not degraded.
func NewJournal() *Journal {
	return &Journal{
		changed: make(chan struct{}),
		hooks: journalHooks{
			before: func(events.Decision) {},
			after:  func(events.Decision, events.Receipt) {},
			died:   func() {},
		},
	}
}

// Append records the decision, or buffers it while the journal is degraded.
func (j *Journal) Append(decision events.Decision) events.Receipt {
	j.hooks.before(decision)

	boundary := j.burn()
	if boundary == BeforeCommit {
		j.kill()
		j.hooks.died()
	}

	receipt := j.append(decision)

	if boundary == AfterCommit {
		j.kill()
		j.hooks.died()
	}

	j.hooks.after(decision, receipt)

	return receipt
}

func (j *Journal) append(decision events.Decision) events.Receipt {
	j.mu.Lock()
	defer j.mu.Unlock()

	records := rows(decision, j.last()+1, j.bootID)
	receipt := events.Receipt{Outcome: events.Recorded, Records: records}

	switch {
	case j.dead:
	case j.degraded:
		receipt.Outcome = events.Buffered
		j.buffered = append(j.buffered, records...)
	default:
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
