package api

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// recorded is a journal of these records; its clock counts them.
type recorded struct {
	History
	records []events.Record
}

func (r recorded) Select(_ context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	return history.In(r.records)(wanted, yield)
}

func (r recorded) Newest(_ context.Context, wallNS int64) (uint64, error) { return uint64(wallNS), nil }

func (r recorded) Boots(context.Context) ([]events.Boot, error) { return nil, nil }

// fact is a record of its own.
func fact(seq, cause uint64, service, state string, of events.Fact) events.Record {
	event := events.New(of)

	return events.Record{
		Seq: seq, Decision: seq, Cause: cause, Service: service, State: state, Kind: event.KindName(), Event: event,
		Message: events.Text(service, event), WallNS: int64(seq), BootNS: int64(seq), BootID: bootID,
	}
}

// Why answers for the newest moment and for an earlier one, and takes an id without its prefix.
func TestWhy(t *testing.T) {
	now := func() *events.Instant { return &events.Instant{WallNs: 5, BootNs: 5} }
	asked := &extactorService{server: New(Options{BootID: bootID, Now: now, Past: recorded{records: []events.Record{
		fact(1, 0, "", "", &events.DaemonStarted{Version: "1", Pid: 5}),
		fact(2, 1, "ext-a", events.StateWaiting, &events.SpecLoaded{BootId: bootID}),
		fact(3, 2, "ext-a", events.StateRunning, &events.TaskStarted{Pid: 7, Container: "ext-a"}),
	}}})}

	at := func(seq int64) *apiv1.Moment { return &apiv1.Moment{WallNs: seq, BootNs: seq, BootId: bootID} }
	loaded := &apiv1.Cause{
		Seq: 2, Service: "ext-a", Text: "the daemon took over ext-a", At: at(2),
		Because: []*apiv1.Cause{{Seq: 1, Text: "extactor 1 started (PID 5)", At: at(1)}},
	}
	running := &apiv1.WhyResponse{Id: "ext-a", State: events.StateRunning, Seq: 3, At: at(5), Cause: &apiv1.Cause{
		Seq: 3, Service: "ext-a", Text: "ext-a is running", At: at(3), Lasting: true,
		Because: []*apiv1.Cause{{
			Seq: 3, Service: "ext-a", Text: "the task of ext-a (PID 7) was started", At: at(3), Because: []*apiv1.Cause{loaded},
		}},
	}}
	between := proto.CloneOf(running)
	between.At = at(4)
	waiting := &apiv1.WhyResponse{Id: "ext-a", State: events.StateWaiting, Seq: 2, At: at(2), Cause: &apiv1.Cause{
		Seq: 2, Service: "ext-a", Text: "ext-a is waiting", At: at(2), Lasting: true, Because: []*apiv1.Cause{loaded},
	}}

	for name, test := range map[string]struct {
		request *apiv1.WhyRequest
		want    *apiv1.WhyResponse
		code    codes.Code
	}{
		"now":             {&apiv1.WhyRequest{Id: "ext-a"}, running, codes.OK},
		"without prefix":  {&apiv1.WhyRequest{Id: "a"}, running, codes.OK},
		"earlier":         {&apiv1.WhyRequest{Id: "ext-a", At: &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 2}}}, waiting, codes.OK},
		"at a time":       {&apiv1.WhyRequest{Id: "ext-a", At: &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: 2}}}, waiting, codes.OK},
		"between two":     {&apiv1.WhyRequest{Id: "ext-a", At: &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: 4}}}, between, codes.OK},
		"before it":       {&apiv1.WhyRequest{Id: "ext-a", At: &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 1}}}, nil, codes.NotFound},
		"before anything": {&apiv1.WhyRequest{Id: "ext-a", At: &apiv1.Point{Kind: &apiv1.Point_WallNs{}}}, nil, codes.OutOfRange},
		"nobody":          {&apiv1.WhyRequest{Id: "ext-z"}, nil, codes.NotFound},
	} {
		got, err := asked.Why(t.Context(), test.request)
		if status.Code(err) != test.code {
			t.Errorf("%s: %v, want %s", name, err, test.code)
		}

		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		if err == nil && !cmp.Equal(got.GetCause(), causeMessage(Explanation(got).Cause), protocmp.Transform()) {
			t.Errorf("%s: an explanation loses something on its way", name)
		}
	}

	none := &extactorService{server: New(Options{BootID: bootID})}
	if _, err := none.Why(t.Context(), &apiv1.WhyRequest{Id: "ext-a"}); status.Code(err) != codes.Unimplemented {
		t.Errorf("without a journal of the past: %v", err)
	}
}
