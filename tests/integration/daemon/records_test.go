package daemon_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// record is one record of the journal.
type record struct{ *apiv1.EventRecord }

// String is the record as a failure shows it.
func (r record) String() string {
	return fmt.Sprintf("%d %s [%s] %s", r.GetSeq(), r.GetService(), r.GetState(), r.GetMessage())
}

// follow collects all records of the journal, those of earlier runs too.
func (d *daemon) follow(t testing.TB) {
	t.Helper()

	stream, err := d.client.Extactor.Events(context.Background(), &apiv1.EventsRequest{Tail: -1, Follow: true})
	must(t, err)

	go func() {
		defer d.records.end()

		for {
			received, err := stream.Recv()
			if err != nil {
				return
			}

			d.records.add(&record{received})
		}
	}()
}

// event waits for the first record of a service, after another record, whose message matches as a whole.
func (d *daemon) event(t testing.TB, after uint64, id, pattern string) *record {
	t.Helper()

	wanted := regexp.MustCompile(`^(?:` + pattern + `)$`)

	return d.records.await(t, fmt.Sprintf("%q of %q after %d", pattern, id, after), func(seen *record) bool {
		return seen.GetSeq() > after && seen.GetService() == id && wanted.MatchString(seen.GetMessage())
	})
}

// started waits until a service runs, by an event after another one.
func (d *daemon) started(t testing.TB, after uint64, id string) *record {
	t.Helper()

	return d.event(t, after, id, "Started task "+id+` \(PID \d+\) for container `+id)
}

// history are the messages of a service so far, oldest first.
func (d *daemon) history(id string) []string {
	records, _, _ := d.records.all()

	var messages []string

	for _, one := range records {
		if one.GetService() == id {
			messages = append(messages, one.GetMessage())
		}
	}

	return messages
}

// status waits until the status of a service is as wanted.
func (d *daemon) status(t testing.TB, id, what string, match func(*apiv1.Service) bool) *apiv1.Service {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	stream, err := d.client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{Ids: []string{id}})
	must(t, err)

	var last *apiv1.Service

	for {
		changed, err := stream.Recv()
		if status.Code(err) == codes.DeadlineExceeded {
			t.Fatalf("waited in vain for %s: %s; it is %v", id, what, last)
		}

		must(t, err)

		for _, service := range changed.GetServices() {
			if last = service; match(service) {
				return service
			}
		}
	}
}

// state waits until a service is in a state.
func (d *daemon) state(t testing.TB, id, state string) *apiv1.Service {
	t.Helper()

	return d.status(t, id, state, func(service *apiv1.Service) bool { return service.GetState() == state })
}

// lastMessage is the newest line of EVENTS.
func lastMessage(service *apiv1.Service) string {
	events := service.GetEvents()
	if len(events) == 0 {
		return ""
	}

	return events[len(events)-1].GetMessage()
}

// now is the revision of the journal.
func (d *daemon) now(t testing.TB) uint64 {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	response, err := d.client.Extactor.Status(ctx, &apiv1.StatusRequest{})
	must(t, err)

	return response.GetRevision()
}

// line waits for a line on the daemon's console that contains the text.
func (d *daemon) line(t testing.TB, text string) string {
	t.Helper()

	return d.console.await(t, fmt.Sprintf("a line with %q", text), func(line string) bool { return strings.Contains(line, text) })
}

// await waits for a channel that must be closed soon.
func await(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()

	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}
