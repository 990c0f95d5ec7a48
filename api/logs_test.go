package api

import (
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// readLog returns what is sent of a log.
func (h *harness) readLog(t *testing.T, request *apiv1.LogsRequest) (text []byte, err error) {
	t.Helper()

	stream, err := h.Extactor.Logs(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}

	for {
		piece, err := stream.Recv()
		if err == io.EOF {
			return text, nil
		}

		if err != nil {
			return text, err
		}

		text = append(text, piece.GetText()...)
	}
}

// In this boot the clock showed 1970 until it was set; so long ago is by what it showed then.
func TestLogsByTimes(t *testing.T) {
	before := record(1, "ext-hello", events.StateRunning, "in the boot before")
	before.BootID, before.WallNS, before.BootNS = otherBoot, 1_900_000_000*second, 50*second
	began, unset, set := record(2, "", "", "began"), record(3, "ext-hello", events.StateWaiting, "waits"), record(4, "ext-hello", events.StateRunning, "runs")
	began.WallNS, began.BootNS = 5*second, 10*second
	unset.WallNS, unset.BootNS = 15*second, 20*second
	set.WallNS, set.BootNS = testNow.GetWallNs()-20*second, 80*second

	journal := newJournal(before, began, unset, set)
	h := start(t, newServices(view("ext-hello", events.StateRunning, 4)), journal)
	h.logs.text = "one\ntwo\n"

	for name, row := range map[string]struct {
		point *apiv1.Point
		want  int64 // wall clock, nanoseconds
	}{
		"a time":                           {&apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: 77}}, 77},
		"ago, since the clock was set":     {&apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 10 * second}}, testNow.GetWallNs() - 10*second},
		"ago, before the clock was set":    {&apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 50 * second}}, 45 * second},
		"ago, before the first record":     {&apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 95 * second}}, 5 * second},
		"ago, before the boot":             {&apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 1000 * second}}, 5 * second},
		"a record":                         {&apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 3}}, 15 * second},
		"the beginning of this boot":       {&apiv1.Point{Kind: &apiv1.Point_Boot{Boot: "0"}}, 5 * second},
		"the beginning of the boot before": {&apiv1.Point{Kind: &apiv1.Point_Boot{Boot: "-1"}}, 1_900_000_000 * second},
	} {
		for _, request := range []*apiv1.LogsRequest{
			{Ids: []string{"hello"}, Tail: 3, Timestamps: true, From: row.point},
			{Ids: []string{"hello"}, Tail: -1, Until: row.point},
		} {
			if text, err := h.readLog(t, request); string(text) != h.logs.text || err != nil {
				t.Fatalf("%s: %q, %v", name, text, err)
			}

			want := logRequest{"ext-hello", LogQuery{Tail: int(request.GetTail()), Timestamps: request.GetTimestamps()}}
			if request.GetFrom() != nil {
				want.query.Since = time.Unix(0, row.want)
			} else {
				want.query.Until = time.Unix(0, row.want)
			}

			if asked := <-h.logs.asked; asked != want {
				t.Errorf("%s: asked %+v, want %+v", name, asked, want)
			}
		}
	}
}

// Each is read once, by whatever name.
func TestLogsOfSeveral(t *testing.T) {
	h := start(t, newServices(view("ext-a", events.StateRunning, 1), view("ext-b", events.StateRunning, 1)), newJournal())

	if _, err := h.readLog(t, &apiv1.LogsRequest{Ids: []string{"b", "a", "ext-b"}, Tail: 1, Follow: false}); err != nil {
		t.Fatal(err)
	}

	if asked, want := <-h.logs.asked, (logRequest{"ext-b,ext-a", LogQuery{Tail: 1}}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
}

// Where the journal cannot be read, logs can.
func TestLogsByTimesWithoutAJournal(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())
	since := &apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 10 * second}}

	for _, past := range []History{nil, newJournal()} {
		h.server.options.Past = past

		if _, err := h.readLog(t, &apiv1.LogsRequest{Ids: []string{"hello"}, From: since}); err != nil {
			t.Fatal(err)
		}

		if asked, want := <-h.logs.asked, time.Unix(0, testNow.GetWallNs()-10*second); !asked.query.Since.Equal(want) {
			t.Errorf("asked for lines since %v, want %v", asked.query.Since, want)
		}
	}
}

func TestLogsByTimesRefuse(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal(record(1, "ext-hello", events.StateRunning, "runs")))

	at := func(seconds int64) *apiv1.Point {
		return &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: seconds * second}}
	}

	for _, row := range []struct {
		request *apiv1.LogsRequest
		code    codes.Code
		message string
	}{
		{&apiv1.LogsRequest{Ids: []string{"hello", ""}}, codes.InvalidArgument, "no service is named whose log is wanted"},
		{&apiv1.LogsRequest{Ids: []string{"hello", "x"}}, codes.NotFound, `service "x" is not known; known services: ext-hello`},
		{&apiv1.LogsRequest{}, codes.InvalidArgument, "no service is named whose log is wanted"},
		{&apiv1.LogsRequest{Ids: []string{"x"}}, codes.NotFound, `service "x" is not known; known services: ext-hello`},
		{
			&apiv1.LogsRequest{Ids: []string{"hello"}, From: at(2), Until: at(1)}, codes.InvalidArgument,
			"the time from which on lines are wanted is after the one up to which they are",
		},
		{&apiv1.LogsRequest{Ids: []string{"hello"}, Until: &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 9}}}, codes.OutOfRange, "there is no event 9 yet; the newest is 1"},
		{&apiv1.LogsRequest{Ids: []string{"hello"}, From: &apiv1.Point{Kind: &apiv1.Point_Boot{Boot: "-1"}}}, codes.OutOfRange, "boot -1 is not known; the journal has only one, 0"},
	} {
		_, err := h.readLog(t, row.request)
		wantStatus(t, err, row.code, row.message)
	}
}
