package api

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/xid"
	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/extactor/extactor/events"
)

func TestServiceListIsNeverNil(t *testing.T) {
	fresh := events.NewView("ext-fresh") // nothing has happened to it yet

	running := view("ext-hello", events.StateRunning, 2)
	running.Health = events.Health{Healthy: true, LastMessage: "probe ok"}
	running.Since = events.Moment{WallNS: 7 * second, BootNS: 90 * second}
	running.Recent = []events.Line{
		{State: events.StateWaiting, Message: "Waiting for network", At: events.Moment{WallNS: 3 * second, BootNS: 5}, BootID: otherBoot},
		{State: events.StateRunning, Message: "Started task", At: running.Since, BootID: bootID},
	}

	h := start(t, newServices(fresh, running), newJournal())

	got, err := h.Machine.ServiceList(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}

	// In this boot the time is reckoned from the boot clock: 10 s ago, though the wall clock has jumped since.
	reckoned := timestamppb.New(time.Unix(0, testNow.GetWallNs()-10*second))
	want := &machine.ServiceListResponse{Messages: []*machine.ServiceList{{Services: []*machine.ServiceInfo{
		{
			Id: "ext-fresh", State: "Initialized", Events: &machine.ServiceEvents{},
			Health: &machine.ServiceHealth{Unknown: true, LastChange: timestamppb.New(time.Unix(0, 0))},
		},
		{
			Id: "ext-hello", State: "Running",
			Events: &machine.ServiceEvents{Events: []*machine.ServiceEvent{
				{Msg: "Waiting for network", State: "Waiting", Ts: timestamppb.New(time.Unix(3, 0))},
				{Msg: "Started task", State: "Running", Ts: reckoned},
			}},
			Health: &machine.ServiceHealth{Healthy: true, LastMessage: "probe ok", LastChange: reckoned},
		},
	}}}}

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}

	for _, service := range got.GetMessages()[0].GetServices() {
		if service.Health == nil || service.Events == nil {
			t.Errorf("%s: talosctl would crash", service.GetId())
		}
	}
}

func TestVersion(t *testing.T) {
	h := start(t, newServices(), newJournal())

	got, err := h.Machine.Version(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}

	want := &machine.VersionResponse{Messages: []*machine.Version{{
		Version: &machine.VersionInfo{
			Tag: "v1.2.3", Sha: "abc", Built: "2026-01-02T03:04:05Z", GoVersion: runtime.Version(), Os: "linux", Arch: runtime.GOARCH,
		},
		Features: &machine.FeaturesInfo{},
	}}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestTheRestOfTalosIsUnimplemented(t *testing.T) {
	h := start(t, newServices(), newJournal())

	_, err := h.Machine.Memory(t.Context(), &emptypb.Empty{})
	wantStatus(t, err, codes.Unimplemented, "method Memory not implemented")
}

func TestLogs(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())
	h.logs.text = "four\nfive\n"

	stream, err := h.Machine.Logs(t.Context(), &machine.LogsRequest{
		Namespace: "system", Driver: common.ContainerDriver_CONTAINERD, Id: "hello", TailLines: 2,
	})
	if err != nil {
		t.Fatal(err)
	}

	var text []byte

	for {
		data, err := stream.Recv()
		if err == io.EOF {
			break
		}

		if err != nil {
			t.Fatal(err)
		}

		text = append(text, data.GetBytes()...)
	}

	if string(text) != "four\nfive\n" {
		t.Errorf("text %q", text)
	}

	if asked, want := <-h.logs.asked, (logRequest{"ext-hello", 2, false}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
}

func TestLogsEndWithTheirReader(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())
	h.logs.text = "one\n"

	ctx, cancel := context.WithCancel(t.Context())

	stream, err := h.Machine.Logs(ctx, &machine.LogsRequest{Id: "ext-hello", Follow: true, TailLines: -1})
	if err != nil {
		t.Fatal(err)
	}

	if data, err := stream.Recv(); err != nil || string(data.GetBytes()) != "one\n" {
		t.Fatalf("%q, %v", data.GetBytes(), err)
	}

	if asked, want := <-h.logs.asked, (logRequest{"ext-hello", -1, true}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}

	cancel()
	<-h.logs.stopped
}

func TestLogsRefuses(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())

	for _, row := range []struct {
		request *machine.LogsRequest
		code    codes.Code
		message string
	}{
		{&machine.LogsRequest{Id: "x"}, codes.NotFound, `service "x" is not known; known services: ext-hello`},
		{&machine.LogsRequest{}, codes.InvalidArgument, "no service is named whose log is wanted"},
		{&machine.LogsRequest{Id: "hello", Namespace: "k8s.io"}, codes.InvalidArgument, `namespace "k8s.io" is not known; the logs of services are in "system"`},
	} {
		stream, err := h.Machine.Logs(t.Context(), row.request)
		if err != nil {
			t.Fatal(err)
		}

		_, err = stream.Recv()
		wantStatus(t, err, row.code, row.message)
	}
}

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
		{"of the last 10 s", &machine.EventsRequest{TailSeconds: 10}, []string{"ext-b RUNNING ninety", "ext-a FAILED ninety-five"}},
	} {
		got := talosEvents(t, h, row.request, len(row.want))
		if diff := cmp.Diff(row.want, got.texts); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}

	// Only new ones: the hello says that the stream has begun, what is written later arrives.
	stream, err := h.Machine.Events(t.Context(), &machine.EventsRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}

	journal.add(record(96, "ext-a", events.StateWaiting, ""), record(97, "ext-c", events.StateSkipped, "new"))

	if _, text := talosEvent(t, stream); text != "ext-c SKIPPED new" {
		t.Errorf("got %q", text)
	}

	stream, err = h.Machine.Events(t.Context(), &machine.EventsRequest{TailId: "nonsense"})
	if err != nil {
		t.Fatal(err)
	}

	_, err = stream.Recv()
	wantStatus(t, err, codes.InvalidArgument, `cannot read event id "nonsense": xid: invalid ID`)
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
	id := eventID(record(1<<40, "a", events.StateRunning, "x"))
	if sequence(id) != 1<<40 {
		t.Errorf("sequence %d", sequence(id))
	}

	if late := eventID(record(1<<40+1, "a", events.StateRunning, "x")); late.Compare(id) <= 0 {
		t.Error("ids do not sort as records do")
	}
}
