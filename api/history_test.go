package api

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

func TestHistory(t *testing.T) {
	met := events.New(&events.ConditionChanged{Key: "time", Met: true, Text: "time sync"})
	silent := record(2, "ext-a", events.StateWaiting, "")
	silent.Event, silent.BootID = met, "now"
	command := record(3, "ext-a", events.StateWaiting, "")
	command.Command = events.NewCommand(&events.Instant{}, nil, &events.StopService{})
	late := record(6, "ext-a", events.StateRunning, "")
	late.Event = met

	h := start(t, newServices(view("ext-a", events.StateRunning, 6)), newJournal(
		record(1, "ext-a", events.StateWaiting, "one"), silent, command, record(4, "", "", "of the daemon"),
		record(5, "ext-b", events.StateWaiting, "five"), late,
	))

	for _, row := range []struct {
		name    string
		request *apiv1.EventsRequest
		want    []uint64
	}{
		{"all but commands, up to the newest with a text", &apiv1.EventsRequest{Facts: true, Tail: 1}, []uint64{1, 2, 4, 5}},
		{"since", &apiv1.EventsRequest{Facts: true, Since: 2}, []uint64{4, 5}},
		{"since the end", &apiv1.EventsRequest{Facts: true, Since: 5}, nil},
		{"of one", &apiv1.EventsRequest{Facts: true, Service: "a"}, []uint64{1, 2}},
		{"of one boot", &apiv1.EventsRequest{Facts: true, BootId: "now"}, []uint64{2}},
	} {
		stream, err := h.Extactor.Events(t.Context(), row.request)
		if err != nil {
			t.Fatal(err)
		}

		var got []uint64

		for {
			record, err := stream.Recv()
			if err == io.EOF {
				break
			}

			if err != nil {
				t.Fatal(err)
			}

			got = append(got, record.GetSeq())

			if record.GetSeq() != 2 {
				continue
			}

			event := &events.Event{}
			if err := proto.Unmarshal(record.GetEvent(), event); err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(met, event, protocmp.Transform()); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		}

		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}

	following, err := h.Extactor.Events(t.Context(), &apiv1.EventsRequest{Facts: true, Since: 4, Follow: true})
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []uint64{5, 6} {
		record, err := following.Recv()
		if err != nil || record.GetSeq() != want {
			t.Fatalf("followed %v, %v; want %d", record, err, want)
		}
	}
}

// status lists every dependency, also those that are met.
func TestStatusListsDependencies(t *testing.T) {
	waiting := view("ext-a", events.StateWaiting, 1)
	waiting.Conditions = []events.ConditionView{
		{Key: "time", Known: true, Met: true, Text: "time sync", Since: events.Moment{WallNS: 1, BootNS: 2}},
		{Key: "network:addresses", Known: true, Text: "network"},
	}
	h := start(t, newServices(waiting), newJournal())

	response, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	want := []*apiv1.Dependency{
		{Key: "time", Text: "time sync", Known: true, Met: true, Since: &apiv1.Moment{WallNs: 1, BootNs: 2, BootId: waiting.BootID}},
		{Key: "network:addresses", Text: "network", Known: true},
	}
	if diff := cmp.Diff(want, response.GetServices()[0].GetDependencies(), protocmp.Transform()); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
}
