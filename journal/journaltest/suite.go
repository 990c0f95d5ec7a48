// Package journaltest says what every journal must do, as tests: the one on SQLite and the model that the simulation of the
// whole system uses.
package journaltest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
)

// Store is a journal as the actors use it.
type Store interface {
	Append(decision events.Decision) events.Receipt
	Sync() error
	Replay(service string, yield func(events.Record) bool) error
	Tail(service string, n int) ([]events.Record, error)
}

// Subscriber is a Store that also has live readers. A Store without them skips their tests.
type Subscriber interface {
	Store
	Subscribe(after uint64) Stream
}

// Stream is a live reader.
type Stream interface {
	Next(ctx context.Context) (events.Record, error)
	Close()
}

// Suite runs all tests, each on a journal of its own that open makes, empty and not degraded.
func Suite(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()

	for name, test := range map[string]func(*testing.T, Store){
		"append assigns sequences without a gap":  appendAssigns,
		"all columns come back":                   columnsComeBack,
		"a decision is whole":                     decisionIsWhole,
		"nothing to record needs no sequence":     nothingToRecord,
		"replay yields in order and stops":        replayOrder,
		"services do not mix":                     servicesDoNotMix,
		"tail shows the last messages":            tailMessages,
		"text of any kind comes back":             anyText,
		"unknown kinds keep state and message":    unknownKinds,
		"concurrent appends share no sequence":    concurrentAppends,
		"sync succeeds":                           syncSucceeds,
		"a subscription has history and the rest": subscriptionSeesAll,
		"a subscription can begin in the middle":  subscriptionFromMiddle,
		"a subscription ends with its context":    subscriptionEnds,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// Decision makes a decision with one message for EVENTS and one event without, given by a command.
func Decision(service string, number int) events.Decision {
	at := &events.Instant{WallNs: int64(number) + 1, BootNs: int64(number) + 2}
	origin := &events.Origin{Uid: 1000, Pid: int32(number), Via: "cli"}

	if number%2 == 1 {
		origin = &events.Origin{Via: "network", Remote: fmt.Sprintf("admin (0011223344556677) from [2001:db8::1]:%d", number)}
	}

	return events.Decision{
		Service: service, At: at, Origin: origin,
		Command: events.NewCommand(at, origin, &events.StartService{}),
		Entries: []events.Entry{
			{Event: events.New(&events.DesiredChanged{Started: true}), State: events.StateWaiting, Attempt: uint64(number)},
			{
				Event: events.New(&events.TaskStarted{Attempt: uint64(number), Pid: uint32(number), Container: "c"}),
				State: events.StateRunning, Attempt: uint64(number), Message: fmt.Sprintf("Started %d", number),
			},
		},
	}
}

func replay(t *testing.T, store Store, service string) []events.Record {
	t.Helper()

	var records []events.Record
	if err := store.Replay(service, func(record events.Record) bool {
		records = append(records, record)

		return true
	}); err != nil {
		t.Fatal(err)
	}

	return records
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func appendAssigns(t *testing.T, store Store) {
	next := uint64(1)

	for number := range 10 {
		receipt := store.Append(Decision("ext-a", number))
		same(t, "outcome", receipt.Outcome, events.Recorded)

		for _, record := range receipt.Records {
			same(t, "sequence", record.Seq, next)
			next++
		}

		same(t, "last", receipt.Last(), next-1)
	}
}

func columnsComeBack(t *testing.T, store Store) {
	first := store.Append(Decision("ext-a", 7))
	decision := Decision("ext-a", 8)
	decision.Cause = first.Last()
	second := store.Append(decision)

	bare := events.Decision{Service: "ext-a", Entries: []events.Entry{{Event: events.New(&events.TaskLost{Attempt: 3})}}}
	third := store.Append(bare)

	want := slices.Concat(first.Records, second.Records, third.Records)
	same(t, "replayed records", replay(t, store, "ext-a"), want)

	row := second.Records[2]
	same(t, "cause", row.Cause, first.Last())
	same(t, "decision", row.Decision, second.Records[0].Seq)
	same(t, "kind", row.Kind, "TaskStarted")
	same(t, "times", []int64{row.WallNS, row.BootNS}, []int64{9, 10})
	same(t, "origin", row.Origin, decision.Origin)

	if third.Records[0].Origin != nil {
		t.Fatalf("origin %v of a decision without one", third.Records[0].Origin)
	}
}

func decisionIsWhole(t *testing.T, store Store) {
	decision := Decision("ext-a", 1)
	receipt := store.Append(decision)

	kinds := make([]string, 0, 3)
	for _, record := range receipt.Records {
		kinds = append(kinds, record.Kind)
		same(t, "decision", record.Decision, receipt.Records[0].Seq)
	}

	same(t, "kinds", kinds, []string{"command.StartService", "DesiredChanged", "TaskStarted"})

	command := replay(t, store, "ext-a")[0]
	same(t, "command", command.Command, decision.Command)
	same(t, "message of a command", command.Message, "")

	if command.Event != nil {
		t.Fatalf("a command's record has event %v", command.Event)
	}
}

func nothingToRecord(t *testing.T, store Store) {
	same(t, "records", len(store.Append(events.Decision{Service: "ext-a"}).Records), 0)
	same(t, "next sequence", store.Append(Decision("ext-a", 1)).Records[0].Seq, uint64(1))
}

func replayOrder(t *testing.T, store Store) {
	const decisions = 100 // more rows than any page
	for number := range decisions {
		store.Append(Decision("ext-a", number))
	}

	records := replay(t, store, "ext-a")
	same(t, "records", len(records), 3*decisions)

	for i, record := range records {
		same(t, "sequence", record.Seq, uint64(i+1))
	}

	var seen int
	if err := store.Replay("ext-a", func(events.Record) bool { seen++; return seen < 5 }); err != nil {
		t.Fatal(err)
	}

	same(t, "records until yield says no", seen, 5)
}

func servicesDoNotMix(t *testing.T, store Store) {
	for number := range 20 {
		store.Append(Decision([]string{"ext-a", "ext-b", ""}[number%3], number))
	}

	for _, service := range []string{"ext-a", "ext-b", ""} {
		records := replay(t, store, service)
		if len(records) == 0 {
			t.Fatalf("nothing of %q", service)
		}

		for _, record := range records {
			same(t, "service", record.Service, service)
		}
	}

	same(t, "records of nobody", len(replay(t, store, "ext-nobody")), 0)
}

func tailMessages(t *testing.T, store Store) {
	for number := range 100 {
		store.Append(Decision([]string{"ext-a", "ext-b"}[number%2], number))
	}

	check := func(service string, n int, want ...string) {
		t.Helper()

		records, err := store.Tail(service, n)
		if err != nil {
			t.Fatal(err)
		}

		got := []string{}
		for _, record := range records {
			got = append(got, record.Message)
		}

		same(t, fmt.Sprintf("tail %d of %q", n, service), got, append([]string{}, want...))
	}

	check("ext-a", 3, "Started 94", "Started 96", "Started 98")
	check("ext-b", 1, "Started 99")
	check("", 2, "Started 98", "Started 99")
	check("ext-a", 0)
	check("ext-nobody", 3)

	all, err := store.Tail("ext-a", 1000)
	if err != nil {
		t.Fatal(err)
	}

	same(t, "the tail that is everything", len(all), 50)
}

func anyText(t *testing.T, store Store) {
	decision := Decision("ext-ä", 1)
	decision.Entries[1].Message = "line\nwith \x00 zero, 'quote', \"double\", \u2603 and a lot: " + string(make([]byte, 8192))
	receipt := store.Append(decision)
	same(t, "records", replay(t, store, "ext-ä"), receipt.Records)
}

func unknownKinds(t *testing.T, store Store) {
	event := &events.Event{}
	event.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	store.Append(events.Decision{Service: "ext-a", Entries: []events.Entry{{Event: event, State: "Dreaming", Attempt: 4, Message: "Dreams"}}})

	records := replay(t, store, "ext-a")
	same(t, "records", len(records), 1)
	same(t, "state and message", []string{records[0].State, records[0].Message}, []string{"Dreaming", "Dreams"})
	same(t, "attempt", records[0].Attempt, uint64(4))

	if records[0].Event != nil || records[0].Command != nil {
		t.Fatalf("an unknown kind came back as %v, %v", records[0].Event, records[0].Command)
	}
}

func concurrentAppends(t *testing.T, store Store) {
	const producers, each = 10, 20

	var group sync.WaitGroup

	receipts := make([][]events.Receipt, producers)
	for producer := range producers {
		group.Go(func() {
			for number := range each {
				receipts[producer] = append(receipts[producer], store.Append(Decision(fmt.Sprintf("ext-%d", producer), number)))
			}
		})
	}

	group.Wait()

	seen := map[uint64]bool{}

	for producer := range producers {
		var want []events.Record
		for _, receipt := range receipts[producer] {
			same(t, "outcome", receipt.Outcome, events.Recorded)
			want = append(want, receipt.Records...)
		}

		for i, record := range want {
			if seen[record.Seq] || i > 0 && record.Seq <= want[i-1].Seq {
				t.Fatalf("sequence %d was given twice or too late", record.Seq)
			}

			seen[record.Seq] = true
		}

		same(t, "replay", replay(t, store, fmt.Sprintf("ext-%d", producer)), want)
	}

	for seq := range uint64(len(seen)) {
		if !seen[seq+1] {
			t.Fatalf("sequence %d was never given", seq+1)
		}
	}
}

func syncSucceeds(t *testing.T, store Store) {
	for number := range 3 {
		store.Append(Decision("ext-a", number))

		if err := store.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}
