package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// impatient are limits under which a stream that is not read ends at once.
func impatient() limits {
	limits := networkLimits
	limits.stall, limits.look = 200*time.Millisecond, 100*time.Millisecond

	return limits
}

// A client that does not read is told so when it reads again, and nothing waits for it until then.
func TestStreamThatIsNotReadEnds(t *testing.T) {
	journal := newJournal()
	for seq := range uint64(3000) {
		journal.add(record(seq+1, "ext-a", events.StateRunning, strings.Repeat("x", 1000)))
	}

	h := start(t, newServices(view("ext-a", events.StateRunning, 3000)), journal)
	h.logs.text = strings.Repeat("all work and no play\n", 1<<18)
	r := serveRemote(t, h, impatient())
	client := r.dial(t, credentials.Reader)

	for _, row := range []struct {
		name string
		open func() (interface{ RecvMsg(any) error }, error)
	}{
		{"Logs", func() (interface{ RecvMsg(any) error }, error) {
			return client.Machine.Logs(t.Context(), &machine.LogsRequest{Id: "ext-a", TailLines: -1, Follow: true})
		}},
		{"Events of Talos", func() (interface{ RecvMsg(any) error }, error) {
			return client.Machine.Events(t.Context(), &machine.EventsRequest{TailEvents: -1})
		}},
		{"our Events", func() (interface{ RecvMsg(any) error }, error) {
			return client.Extactor.Events(t.Context(), &apiv1.EventsRequest{Tail: -1, Follow: true})
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			stream, err := row.open()
			if err != nil {
				t.Fatal(err)
			}

			r.hears(t, "because the client did not read for 200ms", "127.0.0.1")
			answers(t, client) // on the same connection

			for err == nil {
				err = stream.RecvMsg(new(emptypb.Empty)) // takes every message
			}

			wantRefusal(t, err, codes.ResourceExhausted, "because the client did not read for 200ms")
		})
	}
}

// What is read in time goes on, however long it takes.
func TestStreamThatIsReadGoesOn(t *testing.T) {
	services := newServices(view("ext-a", events.StateRunning, 1))
	client := serveRemote(t, start(t, services, newJournal()), impatient()).dial(t, credentials.Reader)

	stream, err := client.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}

	<-time.After(2 * impatient().stall) // nothing happens

	services.set(view("ext-a", events.StateFailed, 2))

	if _, err := stream.Recv(); err != nil {
		t.Error(err)
	}
}

// A request has to arrive, the rest of a call takes as long as it likes.
func TestRequestsThatDoNotArrive(t *testing.T) {
	services := newServices(view("ext-a", events.StateRunning, 1))
	proceed := make(chan struct{})
	services.command = func(string, events.Order, *events.Origin) (uint64, error) {
		<-proceed

		return 1, nil
	}

	limits := networkLimits
	limits.arrival = 200 * time.Millisecond

	r := serveRemote(t, start(t, services, newJournal()), limits)
	client := r.dial(t, credentials.Operator)

	for _, method := range []string{
		machine.MachineService_Version_FullMethodName, machine.MachineService_Logs_FullMethodName, apiv1.Extactor_ApplyConfig_FullMethodName,
	} {
		stream, err := client.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}

		r.hears(t, method+" was ended, because its request did not arrive within 200ms", "127.0.0.1")
		wantStatus(t, stream.RecvMsg(new(emptypb.Empty)), codes.Canceled, "context canceled")
	}

	time.AfterFunc(2*limits.arrival, func() { close(proceed) })

	if _, err := client.Extactor.Start(t.Context(), &apiv1.ServiceRequest{Id: "a"}); err != nil {
		t.Error(err)
	}

	if left := len(r.said); left != 0 {
		t.Errorf("told of more: %s", <-r.said)
	}
}

// A handler runs beside the call that watches over it; its panic is still an error of that call alone.
func TestPanicInAWatchedStream(t *testing.T) {
	guard := &guard{limits: networkLimits, reports: newReports(func(error) {}), running: newCalls(networkLimits)}
	info := &grpc.StreamServerInfo{FullMethod: "/x/Y"}

	ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: remoteInfo{guest: &guest{gate: newGate(networkLimits, nil)}}})

	err := guard.endStream(nil, boundStream{ctx: ctx}, info, func(any, grpc.ServerStream) error { panic("oversight") })
	wantStatus(t, err, codes.Internal, "internal error in /x/Y: oversight")
}

// What comes over the network is recorded with who it was.
func TestOriginOfTheNetwork(t *testing.T) {
	given := make(chan *events.Origin, 1)
	services := newServices(view("ext-a", events.StateRunning, 1))
	services.command = func(_ string, _ events.Order, origin *events.Origin) (uint64, error) {
		given <- origin

		return 1, nil
	}

	client := serveRemote(t, start(t, services, newJournal()), networkLimits).dial(t, credentials.Operator)

	if _, err := client.Machine.ServiceRestart(t.Context(), &machine.ServiceRestartRequest{Id: "a"}); err != nil {
		t.Fatal(err)
	}

	var fingerprint, port string

	origin := <-given
	if _, err := fmt.Sscanf(origin.GetRemote(), "os:operator (%16s) from 127.0.0.1:%s", &fingerprint, &port); err != nil || origin.GetVia() != "network" {
		t.Errorf("origin %v: %v", origin, err)
	}
}

// An answer takes a buffer that is not much larger than it is.
func TestBuffersFit(t *testing.T) {
	for size := 1 << 11; size < 1<<20; size = size*3/2 + 1 {
		if buffer := buffers.Get(size); cap(*buffer) > 2*size {
			t.Errorf("%d bytes take %d", size, cap(*buffer))
		}
	}
}
