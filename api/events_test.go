package api

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

func TestExtactorEvents(t *testing.T) {
	origin := &events.Origin{Uid: 1000, Pid: 7, Via: "cli"}
	told := record(4, "ext-a", events.StateStopping, "Stop requested")
	told.Origin, told.Attempt, told.Cause, told.Decision = origin, 3, 1, 2
	journal := newJournal(
		record(1, "ext-a", events.StateWaiting, "one"), record(2, "", "", "of the daemon"), record(3, "ext-a", events.StateRunning, ""),
		told, record(5, "ext-gone", events.StateFinished, "five"),
	)
	h := start(t, newServices(view("ext-a", events.StateStopping, 4)), journal)

	for _, row := range []struct {
		name    string
		request *apiv1.EventsRequest
		want    []uint64
	}{
		{"all", &apiv1.EventsRequest{Tail: -1}, []uint64{1, 2, 4, 5}},
		{"none", &apiv1.EventsRequest{}, nil},
		{"last two", &apiv1.EventsRequest{Tail: 2}, []uint64{4, 5}},
		{"of one", &apiv1.EventsRequest{Tail: -1, Service: "a"}, []uint64{1, 4}},
		{"of one that is gone", &apiv1.EventsRequest{Tail: -1, Service: "gone"}, []uint64{5}},
		{"since", &apiv1.EventsRequest{Since: 2}, []uint64{4, 5}},
		{"since, of one", &apiv1.EventsRequest{Since: 1, Service: "ext-a", Tail: 1}, []uint64{4}},
		{"since the end", &apiv1.EventsRequest{Since: 5}, nil},
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
		}

		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}

	stream, err := h.Extactor.Events(t.Context(), &apiv1.EventsRequest{Service: "a", Tail: 1})
	if err != nil {
		t.Fatal(err)
	}

	got, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}

	want := &apiv1.EventRecord{
		Seq: 4, At: &apiv1.Moment{WallNs: 4 * second, BootNs: 4 * second, BootId: bootID}, Service: "ext-a", Attempt: 3,
		Kind: "TaskStarted", State: "Stopping", Message: "Stop requested", Cause: 1, Decision: 2,
		Origin: &apiv1.Origin{Uid: 1000, Pid: 7, Via: "cli"},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestExtactorEventsFollow(t *testing.T) {
	for _, row := range []struct {
		name    string
		request *apiv1.EventsRequest
		want    []uint64
	}{
		{"from the last", &apiv1.EventsRequest{Tail: 1, Follow: true}, []uint64{2, 5, 6}},
		{"since", &apiv1.EventsRequest{Since: 1, Follow: true}, []uint64{2, 5, 6}},
		{"of one", &apiv1.EventsRequest{Tail: 1, Service: "a", Follow: true}, []uint64{1, 5}},
		{"until later", &apiv1.EventsRequest{Tail: 1, Follow: true, Until: timeLeft(time.Hour)}, []uint64{2, 5, 6}},
	} {
		t.Run(row.name, func(t *testing.T) {
			journal := newJournal(record(1, "ext-a", events.StateWaiting, "one"), record(2, "ext-b", events.StateWaiting, "two"))
			h := start(t, newServices(view("ext-a", events.StateWaiting, 1)), journal)

			stream, err := h.Extactor.Events(t.Context(), row.request)
			if err != nil {
				t.Fatal(err)
			}

			var got []uint64

			for len(got) < len(row.want) {
				received, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}

				if len(got) == 0 { // the stream has read what there was
					journal.add(
						record(3, "ext-a", events.StateRunning, ""), record(4, "ext-a", events.StateRunning, ""), record(5, "ext-a", events.StateRunning, "five"), record(6, "ext-b", events.StateRunning, "six"),
					)
				}

				got = append(got, received.GetSeq())
			}

			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// timeLeft is a moment that is so far from now.
func timeLeft(left time.Duration) *apiv1.Point {
	return &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: testNow.GetWallNs() + left.Nanoseconds()}}
}

// What is followed until a time ends with it, also where nothing happens.
func TestFollowingEnds(t *testing.T) {
	h := start(t, newServices(), newJournal(record(1, "ext-a", events.StateWaiting, "one")))

	for _, left := range []time.Duration{-time.Minute, time.Millisecond} {
		stream, err := h.Extactor.Events(t.Context(), &apiv1.EventsRequest{Follow: true, Until: timeLeft(left)})
		if err != nil {
			t.Fatal(err)
		}

		if received, err := stream.Recv(); err != io.EOF {
			t.Errorf("%v, %v", received, err)
		}
	}
}

// All are all, also where they are more than are read at once.
func TestAllEventsAreSent(t *testing.T) {
	const count = mostRecords + 1

	records := make([]events.Record, 0, count)
	for seq := range uint64(count) {
		records = append(records, record(seq+1, "ext-a", events.StateRunning, "it happened"))
	}

	h := start(t, newServices(view("ext-a", events.StateRunning, count)), newJournal(records...))

	for _, row := range []struct {
		request *apiv1.EventsRequest
		want    int
	}{
		{&apiv1.EventsRequest{Tail: -1}, count},
		{&apiv1.EventsRequest{Tail: count}, count},
		{&apiv1.EventsRequest{Since: 1, Tail: 5}, count - 1},
	} {
		stream, err := h.Extactor.Events(t.Context(), row.request)
		if err != nil {
			t.Fatal(err)
		}

		got := 0
		for ; ; got++ {
			if _, err := stream.Recv(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}

		if got != row.want {
			t.Errorf("%v: %d of %d", row.request, got, row.want)
		}
	}
}

// A regular expression takes no more memory than its length suggests.
func TestExpressionsAreBounded(t *testing.T) {
	h := start(t, newServices(), newJournal(record(1, "ext-a", events.StateRunning, "it happened")))

	for pattern, want := range map[string]string{
		"(":                               "is no regular expression",
		strings.Repeat("a", 1001):         "has 1001 bytes; it may have 1000",
		strings.Repeat("(?:a{1000})", 11): "repeats too much",
	} {
		stream, err := h.Extactor.Events(t.Context(), &apiv1.EventsRequest{Tail: -1, Grep: pattern})
		if err == nil {
			_, err = stream.Recv()
		}

		wantRefusal(t, err, codes.InvalidArgument, want)
	}

	stream, err := h.Extactor.Events(t.Context(), &apiv1.EventsRequest{Tail: -1, Grep: "^it +HAPPENED$|(?i)happ"})
	if err == nil {
		_, err = stream.Recv()
	}

	if err != nil {
		t.Error(err)
	}
}

// A time or a number that was mistyped deletes nothing, and plays nothing.
func TestWhatIsYetToComeIsRefused(t *testing.T) {
	h := start(t, newServices(), newJournal(record(1, "ext-a", events.StateWaiting, "one"), record(2, "ext-a", events.StateRunning, "two")))
	h.server.options.Keeper = fakeKeeper{}

	seq := func(seq uint64) *apiv1.Point { return &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: seq}} }
	wall := func(ns int64) *apiv1.Point { return &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: ns}} }

	for _, row := range []struct {
		before *apiv1.Point
		want   codes.Code
	}{
		{seq(2), codes.OK}, {seq(3), codes.OutOfRange}, {wall(testNow.GetWallNs()), codes.OK}, {wall(testNow.GetWallNs() + 1), codes.OutOfRange},
	} {
		if _, err := h.Extactor.PruneJournal(t.Context(), &apiv1.PruneJournalRequest{Before: row.before}); status.Code(err) != row.want {
			t.Errorf("prune before %v: %v, want %v", row.before, err, row.want)
		}
	}

	stream, err := h.Extactor.Replay(t.Context(), &apiv1.ReplayRequest{From: seq(3)})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := stream.Recv(); status.Code(err) != codes.OutOfRange {
		t.Errorf("replay from what is not there: %v", err)
	}
}
