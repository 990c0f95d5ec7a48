package api

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

func TestStatusHasEveryField(t *testing.T) {
	shown := view("ext-hello", events.StateWaiting, 7)
	shown.Since = events.Moment{WallNS: 5, BootNS: 50 * second}
	shown.Attempt, shown.Restarts, shown.PID = 3, 2, 1100
	shown.Problem, shown.Source = "exited with code 1", "/usr/local/etc/containers/hello.yaml"
	shown.FileProblem, shown.Cycle = "hello.yaml has problems at line:column 3:1", []string{"ext-hello", "ext-hello"}
	shown.LastExit = &events.Exit{Known: true, Code: 137, Signal: 9, Oom: true}
	shown.Conditions = []events.ConditionView{
		{Key: "service:containerd", Known: true, Met: true},
		{Key: "network:addresses", Known: true, Text: "network", Since: events.Moment{WallNS: 6, BootNS: 60 * second}},
	}
	shown.Recent = []events.Line{
		{Seq: 1, State: events.StateRunning, Message: "old", At: events.Moment{WallNS: 1, BootNS: 9}, BootID: otherBoot},
		{Seq: 7, State: events.StateWaiting, Message: "Waiting for network", At: shown.Since, BootID: bootID},
	}

	backingOff := view("ext-retry", events.StateWaiting, 9)
	backingOff.NextRetry = 130 * second

	pending := view("ext-run", events.StateRunning, 8)
	pending.Applied, pending.Wanted = "old", "new"

	services := newServices(shown, backingOff, pending)
	services.setRejected(&events.SpecRejected{File: "/s/three.yaml", Problems: []string{"2:3", "4:1"}})

	h := start(t, services, newJournal())

	got, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	since := &apiv1.Moment{WallNs: 5, BootNs: 50 * second, BootId: bootID}
	want := &apiv1.StatusResponse{
		Revision: 9,
		Now:      &apiv1.Moment{WallNs: testNow.GetWallNs(), BootNs: testNow.GetBootNs(), BootId: bootID},
		Rejected: []*apiv1.RejectedFile{{File: "/s/three.yaml", Positions: []string{"2:3", "4:1"}}},
		Services: []*apiv1.Service{
			{
				Id: "ext-hello", Desired: "started", State: "Waiting", Health: &apiv1.Health{Unknown: true}, Attempt: 3, Restarts: 2,
				Pid: 1100, Since: since, Problem: "exited with code 1", Revision: 7, Source: "/usr/local/etc/containers/hello.yaml",
				FileProblem: "hello.yaml has problems at line:column 3:1", Cycle: []string{"ext-hello", "ext-hello"},
				LastExit: &apiv1.Exit{Known: true, Code: 137, Signal: 9, Oom: true},
				WaitingFor: []*apiv1.Dependency{
					{Key: "network:addresses", Text: "network", Since: &apiv1.Moment{WallNs: 6, BootNs: 60 * second, BootId: bootID}, Known: true},
				},
				Dependencies: []*apiv1.Dependency{
					{Key: "service:containerd", Known: true, Met: true},
					{Key: "network:addresses", Text: "network", Since: &apiv1.Moment{WallNs: 6, BootNs: 60 * second, BootId: bootID}, Known: true},
				},
				Events: []*apiv1.ServiceEvent{
					{Seq: 1, State: "Running", Message: "old", At: &apiv1.Moment{WallNs: 1, BootNs: 9, BootId: otherBoot}},
					{Seq: 7, State: "Waiting", Message: "Waiting for network", At: since},
				},
			},
			{
				Id: "ext-retry", Desired: "started", State: "Waiting", Health: &apiv1.Health{Unknown: true}, Revision: 9,
				// 30 s from now, on the wall clock as it is now.
				NextRetry: &apiv1.Moment{WallNs: testNow.GetWallNs() + 30*second, BootNs: 130 * second, BootId: bootID},
			},
			{Id: "ext-run", Desired: "started", State: "Running", Health: &apiv1.Health{Unknown: true}, Revision: 8, RestartPending: true, Up: true},
		},
	}

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestStatusFindsIDs(t *testing.T) {
	h := start(t, newServices(
		view("containerd", events.StateRunning, 1), view("ext-containerd", events.StateRunning, 2), view("ext-hello", events.StateRunning, 3),
	), newJournal())

	for _, row := range []struct {
		asked, want []string
	}{
		{[]string{"hello"}, []string{"ext-hello"}},
		{[]string{"ext-hello"}, []string{"ext-hello"}},
		{[]string{"containerd"}, []string{"containerd"}},
		{[]string{"ext-containerd"}, []string{"ext-containerd"}},
		{[]string{"hello", "ext-hello", "containerd"}, []string{"containerd", "ext-hello"}},
		{nil, []string{"containerd", "ext-containerd", "ext-hello"}},
	} {
		got, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{Ids: row.asked})
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(row.want, ids(got)); diff != "" {
			t.Errorf("%q: %s", row.asked, diff)
		}
	}

	_, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{Ids: []string{"hello", "x"}})
	wantStatus(t, err, codes.NotFound, `service "x" is not known; known services: containerd, ext-containerd, ext-hello`)
}

func TestUnknownServiceOfASkippedFile(t *testing.T) {
	services := newServices(view("a", events.StateRunning, 1))
	services.setRejected(&events.SpecRejected{File: "/s/three.yaml", Problems: []string{"2:3", "4:1"}})

	h := start(t, services, newJournal())

	for _, id := range []string{"three", "ext-three"} {
		_, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{Ids: []string{id}})
		wantStatus(t, err, codes.NotFound, `service "`+id+`" is not known, because its file was skipped: `+
			`/s/three.yaml has problems at line:column 2:3, 4:1; see: extactor validate /s/three.yaml`)
	}

	_, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{Ids: []string{"thre"}})
	wantStatus(t, err, codes.NotFound, `service "thre" is not known; known services: a`)
}

func TestWatchTellsWhatIsRejected(t *testing.T) {
	services := newServices(view("a", events.StateRunning, 5))
	h := start(t, services, newJournal())

	stream, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	wantAnswer(t, stream, 5, []string{"a"}, nil)
	services.setRejected(&events.SpecRejected{File: "b.yaml", Problems: []string{"1:1"}})

	for _, want := range []int{1, 0} {
		response, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}

		if len(response.GetRejected()) != want || len(response.GetServices()) != 0 {
			t.Errorf("answer %v, want %d rejected files", response, want)
		}

		services.setRejected()
	}
}

func TestUnknownServiceNamesAFew(t *testing.T) {
	services := newServices()
	h := start(t, services, newJournal())

	_, err := h.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "x"})
	wantStatus(t, err, codes.NotFound, `service "x" is not known; no service is`)

	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		services.set(view(id, events.StateRunning, 1))
	}

	_, err = h.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "x"})
	wantStatus(t, err, codes.NotFound, `service "x" is not known; known services: a, b, c, d, e, f, g, h, i, j and 2 more`)
}

func TestWatchSendsWhatChanged(t *testing.T) {
	services := newServices(view("a", events.StateRunning, 5), view("b", events.StateWaiting, 6))
	h := start(t, services, newJournal())

	stream, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	wantAnswer(t, stream, 6, []string{"a", "b"}, nil)

	services.set(view("b", events.StateRunning, 8))
	wantAnswer(t, stream, 8, []string{"b"}, nil)

	unhealthy := view("a", events.StateRunning, 5)
	unhealthy.Health = events.Health{LastMessage: "no answer"}
	services.set(unhealthy)
	wantAnswer(t, stream, 8, []string{"a"}, nil)

	services.remove("a")
	wantAnswer(t, stream, 8, nil, []string{"a"})

	services.set(view("c", events.StateInitialized, 9))
	wantAnswer(t, stream, 9, []string{"c"}, nil)
}

func TestWatchGoesOnSince(t *testing.T) {
	h := start(t, newServices(view("a", events.StateRunning, 5), view("b", events.StateWaiting, 6)), newJournal())

	for _, row := range []struct {
		since uint64
		want  []string
	}{
		{5, []string{"b"}},
		{6, nil},                 // nothing new, which is said at once
		{99, []string{"a", "b"}}, // of another journal
	} {
		stream, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{Since: row.since})
		if err != nil {
			t.Fatal(err)
		}

		wantAnswer(t, stream, 6, row.want, nil)
	}
}

// A client that does not read fills the windows of its stream. Others must be served, changes must not be held up, and
// when it reads again it must come to the last state.
func TestSlowWatcherHoldsUpNobody(t *testing.T) {
	big := view("big", events.StateRunning, 1)
	for range events.RecentLines {
		big.Recent = append(big.Recent, events.Line{Message: string(make([]byte, 4<<10)), At: events.Moment{BootNS: 1}})
	}

	services := newServices(big)
	h := start(t, services, newJournal())

	slow, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	quick, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	const last = 100

	for revision := uint64(2); revision <= last; revision++ {
		next := big
		next.Revision = revision
		services.set(next)

		if _, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{}); err != nil {
			t.Fatal(err)
		}
	}

	received := map[string]int{}

	for name, stream := range map[string]interface {
		Recv() (*apiv1.StatusResponse, error)
	}{"slow": slow, "quick": quick} {
		for {
			response, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}

			received[name]++

			if response.GetRevision() == last {
				break
			}
		}
	}

	if received["slow"] >= last {
		t.Errorf("the slow reader got all %d states: the test did not fill its stream", received["slow"])
	}
}

func ids(response *apiv1.StatusResponse) []string {
	var ids []string
	for _, service := range response.GetServices() {
		ids = append(ids, service.GetId())
	}

	return ids
}

func wantAnswer(t *testing.T, stream interface {
	Recv() (*apiv1.StatusResponse, error)
}, revision uint64, changed, removed []string) {
	t.Helper()

	response, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}

	if response.GetRevision() != revision {
		t.Errorf("revision %d, want %d", response.GetRevision(), revision)
	}

	if diff := cmp.Diff(changed, ids(response)); diff != "" {
		t.Errorf("changed: %s", diff)
	}

	if diff := cmp.Diff(removed, response.GetRemoved()); diff != "" {
		t.Errorf("removed: %s", diff)
	}
}

func wantStatus(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()

	if got := status.Convert(err); got.Code() != code || got.Message() != message {
		t.Errorf("%s %q, want %s %q", got.Code(), got.Message(), code, message)
	}
}

func TestServerEndsWithOpenStreams(t *testing.T) {
	h := start(t, newServices(view("a", events.StateRunning, 1)), newJournal())

	stream, err := h.Extactor.WatchStatus(context.Background(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	wantAnswer(t, stream, 1, []string{"a"}, nil)

	if err := h.stop(); err != nil {
		t.Fatal(err)
	}

	_, err = stream.Recv()
	wantStatus(t, err, codes.Unavailable, "the daemon is shutting down")

	want := "the extactor daemon at " + h.socket + " has gone away: the daemon is shutting down"
	if got := h.Explain(err); got == nil || got.Error() != want {
		t.Errorf("explained as %v, want %q", got, want)
	}
}
