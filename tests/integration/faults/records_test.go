package faults_test

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// follower has a client watch the journal, and come back to the next daemon where it was.
type follower struct {
	host *host

	mu   sync.Mutex
	seen map[uint64]*apiv1.EventRecord // by sequence
	last uint64
}

func (h *host) follow(ctx context.Context) *follower {
	f := &follower{host: h, seen: map[uint64]*apiv1.EventRecord{}}

	go func() {
		for ctx.Err() == nil {
			_ = h.connect(ctx, f.receive)
			_ = until(ctx, func() bool { return h.answers(ctx) })
		}
	}()

	return f
}

// connect is for calls that last as long as the daemon.
func (h *host) connect(ctx context.Context, call func(context.Context, *api.Client) error) error {
	client, err := api.Dial(h.socket())
	if err != nil {
		return err
	}
	defer client.Close()

	return call(ctx, client)
}

func (f *follower) receive(ctx context.Context, client *api.Client) error {
	request := &apiv1.EventsRequest{Tail: -1, Follow: true}
	if since := f.position(); since > 0 {
		request = &apiv1.EventsRequest{Since: since, Follow: true}
	}

	stream, err := client.Extactor.Events(ctx, request)
	if err != nil {
		return err
	}

	for {
		record, err := stream.Recv()
		if err != nil {
			return err
		}

		f.mu.Lock()
		f.seen[record.GetSeq()] = record
		f.last = max(f.last, record.GetSeq())
		f.mu.Unlock()
	}
}

func (f *follower) position() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.last
}

// ends are the kinds of records that tell of the end of an attempt, as does each one of a later attempt.
var ends = []string{"TaskExited", "TaskLost", "ServiceFailed", "TaskDiscarded"}

// over tells whether a record tells that the attempt is over.
func (f *follower) over(ended attempt) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	for _, record := range f.seen {
		if record.GetService() == ended.id && (record.GetAttempt() > ended.number ||
			record.GetAttempt() == ended.number && slices.Contains(ends, record.GetKind())) {
			return true
		}
	}

	return false
}

// compare returns what was seen once and is no longer there as it was.
func (f *follower) compare(all []events.Record) (lost []string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	recorded := make(map[uint64]events.Record, len(all))
	for _, record := range all {
		recorded[record.Seq] = record
	}

	for seq, seen := range f.seen {
		is := recorded[seq]
		if is.Kind != seen.GetKind() || is.Message != seen.GetMessage() || is.Service != seen.GetService() ||
			is.Attempt != seen.GetAttempt() || is.WallNS != seen.GetAt().GetWallNs() {
			lost = append(lost, fmt.Sprintf("record %d was %v, is %s of %s: %s", seq, seen, is.Kind, is.Service, is.Message))
		}
	}

	return lost
}

// journal reads all records after the daemon has ended, and counts what is missing between them.
func (h *host) journal() (all []events.Record, missing uint64) {
	h.t.Helper()

	reader, err := journal.OpenReadOnly(filepath.Join(h.state, "journal.db"))
	must(h.t, err)

	defer reader.Close()

	services, err := reader.Services()
	must(h.t, err)

	if !slices.Contains(services, "") {
		services = append(services, "") // the daemon itself
	}

	for _, service := range services {
		must(h.t, reader.Replay(service, func(record events.Record) bool {
			all = append(all, record)

			return true
		}))
	}

	slices.SortFunc(all, func(a, b events.Record) int { return cmp.Compare(a.Seq, b.Seq) })

	if damaged := reader.Damaged(); len(damaged) > 0 {
		h.t.Errorf("damaged records: %d", damaged)
	}

	for index, record := range all {
		before := uint64(0)
		if index > 0 {
			before = all[index-1].Seq
		}

		missing += record.Seq - before - 1

		if gap := record.Event.GetGap(); gap != nil {
			h.t.Errorf("the journal tells of a gap: %v", gap)
		}
	}

	return all, missing
}

// clock measures from now on.
func clock() func() time.Duration {
	begun := time.Now()

	return func() time.Duration { return time.Since(begun) }
}
