package api

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/xid"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
)

func TestTalosEvents(t *testing.T) {
	journal := newJournal(
		record(1, "ext-a", events.StateWaiting, "one"), record(2, "", "", "of the daemon"), record(3, "ext-a", events.StateRunning, ""),
		record(90, "ext-b", events.StateRunning, "ninety"), record(95, "ext-a", events.StateFailed, "ninety-five"),
	)
	h := start(t, newServices(), journal)

	first := talosEvents(t, h, &machine.EventsRequest{TailEvents: -1}, 3)
	if diff := cmp.Diff([]string{"ext-a WAITING one", "ext-b RUNNING ninety", "ext-a FAILED ninety-five"}, first.texts); diff != "" {
		t.Error(diff)
	}

	for _, row := range []struct {
		name    string
		request *machine.EventsRequest
		want    []string
	}{
		{"last", &machine.EventsRequest{TailEvents: 1}, []string{"ext-a FAILED ninety-five"}},
		{"after an id", &machine.EventsRequest{TailId: first.ids[0]}, []string{"ext-b RUNNING ninety", "ext-a FAILED ninety-five"}},
		{"of the last 11 s", &machine.EventsRequest{TailSeconds: 11}, []string{"ext-b RUNNING ninety", "ext-a FAILED ninety-five"}},
		{"of the last 68 years", &machine.EventsRequest{TailSeconds: math.MaxInt32}, first.texts},
		{"the last three, though the daemon said something in between", &machine.EventsRequest{TailEvents: 3}, first.texts},
		{"more than there are", &machine.EventsRequest{TailEvents: math.MaxInt32}, first.texts},
		{"as many as there can be", &machine.EventsRequest{TailEvents: math.MinInt32}, first.texts},
		{"a number counts before an id", &machine.EventsRequest{TailEvents: 1, TailId: first.ids[0]}, first.texts[2:]},
		{"an id counts before a time", &machine.EventsRequest{TailId: first.ids[1], TailSeconds: 1000}, first.texts[2:]},
	} {
		got := talosEvents(t, h, row.request, len(row.want))
		if diff := cmp.Diff(row.want, got.texts); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}

}

// Only new ones: the hello says that the stream has begun, what is written later arrives.
func TestTalosEventsFromNowOn(t *testing.T) {
	journal := newJournal(record(95, "ext-a", events.StateFailed, "ninety-five"))
	h := start(t, newServices(), journal)

	newest := eventID(journal.records[0]).String()
	requests := []*machine.EventsRequest{{}, {TailSeconds: -5}, {TailId: newest}, {WithActorId: "6f7c", TailEvents: -1}}

	var streams []machine.MachineService_EventsClient

	for _, request := range requests {
		stream := must[machine.MachineService_EventsClient](t)(h.Machine.Events(t.Context(), request))
		if hello, err := stream.Recv(); err != nil || !proto.Equal(hello, &machine.Event{}) {
			t.Fatalf("%v: %v, %v", request, hello, err)
		}

		streams = append(streams, stream)
	}

	journal.add(record(96, "ext-a", events.StateWaiting, ""), record(97, "ext-c", events.StateSkipped, "new"))

	for index, stream := range streams[:len(streams)-1] {
		if _, text := talosEvent(t, stream); text != "ext-c SKIPPED new" {
			t.Errorf("%v: %q", requests[index], text)
		}
	}

	// Nothing here is done by an actor of Talos, so that whoever waits for one gets nothing until the end.
	go func() { _ = h.stop() }()

	if event, err := streams[len(streams)-1].Recv(); err == nil {
		t.Errorf("of an actor there is %v", event)
	}
}

// A client that goes on after an event is told where that is not possible, instead of missing some.
func TestTalosEventsRefuse(t *testing.T) {
	kept, next := record(40, "ext-quiet", events.StateRunning, "kept"), record(50, "ext-a", events.StateRunning, "fifty")
	h := start(t, newServices(), newJournal(kept, next, record(51, "ext-a", events.StateFailed, "fifty-one")))
	h.journal.floor = 50

	const advice = "; ask for all that there are (tail_events -1), or for those of some time (tail_seconds)"

	foreign, elsewhere := xid.New(), record(50, "ext-a", events.StateRunning, "of another node")
	elsewhere.WallNS += second / 1000

	id := func(record events.Record) string { return eventID(record).String() }

	for text, want := range map[string]struct {
		code    codes.Code
		message string
	}{
		"nonsense":                  {codes.InvalidArgument, `cannot read event id "nonsense": xid: invalid ID`},
		strings.Repeat("x", 1<<20):  {codes.InvalidArgument, `cannot read event id "` + strings.Repeat("x", 100) + `...": xid: invalid ID`},
		id(record(1, "", "", "")):   {codes.OutOfRange, "some of the events after " + id(record(1, "", "", "")) + " are no longer kept" + advice},
		id(kept):                    {codes.OutOfRange, "some of the events after " + id(kept) + " are no longer kept" + advice},
		id(record(49, "", "", "")):  {codes.NotFound, "no event of this node has the id " + id(record(49, "", "", "")) + advice},
		id(elsewhere):               {codes.NotFound, "no event of this node has the id " + id(elsewhere) + advice},
		id(record(52, "", "", "")):  {codes.NotFound, "no event of this node has the id " + id(record(52, "", "", "")) + advice},
		foreign.String():            {codes.NotFound, "no event of this node has the id " + foreign.String() + advice},
		xid.ID{1, 2, 3, 4}.String(): {codes.NotFound, "no event of this node has the id " + xid.ID{1, 2, 3, 4}.String() + advice},
	} {
		stream := must[machine.MachineService_EventsClient](t)(h.Machine.Events(t.Context(), &machine.EventsRequest{TailId: text}))
		_, err := stream.Recv()
		wantStatus(t, err, want.code, want.message)
	}

	if got := talosEvents(t, h, &machine.EventsRequest{TailId: id(next)}, 1); got.texts[0] != "ext-a FAILED fifty-one" {
		t.Errorf("after the oldest there is %q", got.texts)
	}
}

type talosList struct {
	ids   []string
	texts []string
}

// talosEvents reads the hello and so many events.
func talosEvents(t *testing.T, h *harness, request *machine.EventsRequest, count int) talosList {
	t.Helper()

	stream, err := h.Machine.Events(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}

	hello, err := stream.Recv()
	if err != nil || !proto.Equal(hello, &machine.Event{}) {
		t.Fatalf("the first event is %v (%v), not empty", hello, err)
	}

	var list talosList

	for range count {
		id, text := talosEvent(t, stream)
		list.ids, list.texts = append(list.ids, id), append(list.texts, text)
	}

	return list
}

func talosEvent(t *testing.T, stream grpc.ServerStreamingClient[machine.Event]) (id, text string) {
	t.Helper()

	event, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}

	if event.GetData().GetTypeUrl() != "talos/runtime/machine.ServiceStateEvent" {
		t.Errorf("type %q", event.GetData().GetTypeUrl())
	}

	if _, err := xid.FromString(event.GetId()); err != nil {
		t.Errorf("id %q: %v", event.GetId(), err)
	}

	var state machine.ServiceStateEvent
	if err := proto.Unmarshal(event.GetData().GetValue(), &state); err != nil {
		t.Fatal(err)
	}

	if state.GetHealth() == nil {
		t.Error("health is nil")
	}

	return event.GetId(), state.GetService() + " " + state.GetAction().String() + " " + state.GetMessage()
}

func TestActionsAreNamedLikeStates(t *testing.T) {
	for _, state := range events.States() {
		if got := action(state).String(); !strings.EqualFold(got, state) {
			t.Errorf("%s is sent as %s", state, got)
		}
	}
}

func TestEventIDs(t *testing.T) {
	first := record(1<<40, "a", events.StateRunning, "x")
	first.WallNS = testNow.GetWallNs() + second*3/4

	id := eventID(first)
	if sequence(id) != 1<<40 || id.Time().Unix() != first.WallNS/second {
		t.Errorf("sequence %d, time %v", sequence(id), id.Time())
	}

	next, later := first, first
	next.Seq++
	later.WallNS += second / 1000

	if eventID(next).Compare(id) <= 0 || eventID(later).Compare(id) <= 0 || eventID(next).Compare(eventID(later)) <= 0 {
		t.Error("ids of a second do not sort as records do")
	}

	if sequence(eventID(later)) != first.Seq {
		t.Error("the sequence depends on the time")
	}
}
