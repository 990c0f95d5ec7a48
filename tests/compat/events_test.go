package compat_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"google.golang.org/grpc/codes"
)

// follow reads events after one until done says so, or the daemon is gone.
func follow(t *testing.T, c *client.Client, done func(event client.Event) bool, options ...client.EventsOptionFunc) (ids []string) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	stream, err := c.Events(ctx, options...)
	must(t, err)

	for {
		received, err := stream.Recv()
		if err == io.EOF || client.StatusCode(err) == codes.Unavailable {
			return ids
		}

		must(t, err)

		if received.GetData() == nil {
			continue // the first one says that the stream has begun
		}

		event, err := client.UnmarshalEvent(received)
		must(t, err)

		ids = append(ids, event.ID)

		if done(*event) {
			return ids
		}
	}
}

func restarted(event client.Event) bool {
	state, ok := event.Payload.(*machine.ServiceStateEvent)

	return ok && state.GetService() == "ext-other" && state.GetAction() == machine.ServiceStateEvent_RUNNING
}

// A watcher that goes on after the last event it has seen misses none and sees none twice, also where the daemon is killed
// again and again meanwhile.
func TestEventsAreFollowedThroughRestartsOfTheDaemon(t *testing.T) {
	n := newNode(t)
	c := n.client("operator")
	n.running(c, "ext-other")

	followed := follow(t, c, restarted, client.WithTailEvents(-1))

	for range 3 {
		_, err := c.ServiceRestart(t.Context(), "ext-other")
		must(t, err)

		followed = append(followed, follow(t, c, restarted, client.WithTailID(followed[len(followed)-1]))...)

		// It dies while somebody follows, and while a service changes.
		_, err = c.ServiceRestart(t.Context(), "ext-other")
		must(t, err)

		died := false
		followed = append(followed, follow(t, c, func(client.Event) bool {
			if !died {
				died = true

				n.kill()
			}

			return false
		}, client.WithTailID(followed[len(followed)-1]))...)

		n.start()

		followed = append(followed, follow(t, c, restarted, client.WithTailID(followed[len(followed)-1]))...)
	}

	all := follow(t, c, func(event client.Event) bool { return event.ID == followed[len(followed)-1] }, client.WithTailEvents(-1))

	if !slices.Equal(followed, all) {
		t.Errorf("followed %d events, there are %d:\n%v\n%v", len(followed), len(all), followed, all)
	}
}
