package daemon_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rs/xid"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// talosWatch collects events until the daemon goes.
type talosWatch struct {
	*feed[*machine.Event]
}

// watchTalos begins after an event, or now.
func (d *daemon) watchTalos(t *testing.T, request *machine.EventsRequest) talosWatch {
	t.Helper()

	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)

	stream, err := d.client.Machine.Events(ctx, request)
	must(t, err)

	hello, err := stream.Recv()
	must(t, err)

	if !proto.Equal(hello, &machine.Event{}) {
		t.Fatalf("the first event is %v", hello)
	}

	watch := talosWatch{newFeed[*machine.Event]()}

	go func() {
		defer watch.end()

		for {
			event, err := stream.Recv()
			if err != nil {
				return
			}

			watch.add(event)
		}
	}()

	return watch
}

// ids are those of the events so far.
func (w talosWatch) ids() (ids []string) {
	events, _, _ := w.all()
	for _, event := range events {
		ids = append(ids, event.GetId())
	}

	return ids
}

// ended waits until the daemon is gone.
func (w talosWatch) ended() talosWatch {
	for {
		_, ended, changed := w.all()
		if ended {
			return w
		}

		<-changed
	}
}

// A watcher who goes on after the last event that it has seen, in the next daemon, has every event once, however the daemon
// before was killed and whatever happened while nobody watched.
func TestEventsThroughARestart(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("crashing", "restart: always", "exit", "1")
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")

	watch := d.watchTalos(t, &machine.EventsRequest{TailEvents: -1})

	var seen []string

	const rounds = 4

	for range rounds {
		before := d.now(t)
		restarting := h.background("service", "steady", "restart")

		// Some moment in the middle of it.
		for range rand.IntN(50) {
			_ = d.now(t)
		}

		h.end(unix.SIGKILL)
		_, _ = restarting.command.Process.Wait()

		seen = append(seen, watch.ended().ids()...)

		d = h.start()
		d.event(t, before, "ext-steady", "(Adopted|Started) .*")
		h.cli("service", "steady", "restart").done(t) // nobody watches

		watch = d.watchTalos(t, &machine.EventsRequest{TailId: seen[len(seen)-1]})
	}

	h.cli("service", "steady", "stop").done(t)
	last := watch.await(t, "the end of the service", func(event *machine.Event) bool {
		var state machine.ServiceStateEvent

		return proto.Unmarshal(event.GetData().GetValue(), &state) == nil && state.GetService() == "ext-steady" &&
			state.GetAction() == machine.ServiceStateEvent_FINISHED
	}).GetId()

	everything := d.watchTalos(t, &machine.EventsRequest{TailEvents: -1})
	everything.await(t, "the same in the whole history", func(event *machine.Event) bool { return event.GetId() == last })

	// An id that means nothing here is refused, and so is one after which some are no longer kept.
	h.cli("journal", "prune", "--before", fmt.Sprint(d.now(t))).done(t)

	for id, code := range map[string]codes.Code{
		xid.New().String(): codes.NotFound, seen[0]: codes.OutOfRange,
	} {
		stream, err := d.client.Machine.Events(t.Context(), &machine.EventsRequest{TailId: id})
		must(t, err)

		if _, err := stream.Recv(); status.Code(err) != code {
			t.Errorf("after %s: %v", id, err)
		}
	}

	upTo := func(ids []string) []string { return ids[:slices.Index(ids, last)+1] }

	got, want := upTo(append(seen, watch.ids()...)), upTo(everything.ids())
	if !slices.Equal(got, want) {
		t.Errorf("seen were %d events:\n%v\nnot %d:\n%v", len(got), got, len(want), want)
	}

	if unique := slices.Compact(slices.Sorted(slices.Values(want))); len(seen) < rounds || len(unique) != len(want) {
		t.Errorf("%d events were seen before the last restart, and %d have ids of their own; all are %v", len(seen), len(unique), want)
	}
}
