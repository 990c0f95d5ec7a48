package api

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// given is what reached the service.
type given struct {
	ID    string
	Kind  string
	UID   uint32
	PID   int32
	Via   string
	Known bool
}

type grpcCall = func(context.Context, *apiv1.ServiceRequest, ...grpc.CallOption) (*apiv1.ServiceResponse, error)

func TestCommandsReachTheService(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())

	var got given

	services.command = func(id string, order events.Order, origin *events.Origin) (uint64, error) {
		got = given{
			ID: id, Kind: events.NewCommand(nil, nil, order).KindName(),
			UID: origin.GetUid(), PID: origin.GetPid(), Via: origin.GetVia(), Known: true,
		}

		return 42, nil
	}

	for _, row := range []struct {
		kind, message string
		call          grpcCall
	}{
		{"command.StartService", `Service "ext-beta" started`, h.Extactor.Start},
		{"command.StopService", `Service "ext-beta" stopped`, h.Extactor.Stop},
		{"command.RestartService", `Service "ext-beta" restarted`, h.Extactor.Restart},
	} {
		response, err := row.call(t.Context(), &apiv1.ServiceRequest{Id: "beta", Wait: true})
		if err != nil {
			t.Fatal(err)
		}

		want := &apiv1.ServiceResponse{Id: "ext-beta", Seq: 42, Message: row.message}
		if diff := cmp.Diff(want, response, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}

		sender := given{"ext-beta", row.kind, uint32(os.Getuid()), int32(os.Getpid()), "cli", true}
		if diff := cmp.Diff(sender, got); diff != "" {
			t.Error(diff)
		}
	}
}

// A signal is named as the service file names it, whatever it is called.
func TestSignalReachesTheService(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())

	var got *events.SignalService

	services.command = func(_ string, order events.Order, _ *events.Origin) (uint64, error) {
		got, _ = order.(*events.SignalService)

		return 42, nil
	}

	for _, name := range []string{"SIGHUP", "hup", "1"} {
		got = nil

		response, err := h.Extactor.Signal(t.Context(), &apiv1.SignalRequest{Id: "beta", Signal: name})
		if err != nil || response.GetMessage() != `Service "ext-beta" was sent SIGHUP` || got.GetSignal() != "SIGHUP" {
			t.Errorf("%s: %v, %v, the service is given %v", name, response, err, got)
		}
	}

	for _, name := range []string{"", "KILL", "SIGSTOP", "HPU", "99"} {
		got = nil

		if _, err := h.Extactor.Signal(t.Context(), &apiv1.SignalRequest{Id: "beta", Signal: name}); status.Code(err) != codes.InvalidArgument || got != nil {
			t.Errorf("%q: %v, the service is given %v", name, err, got)
		}
	}
}

func TestTalosCommandsReachTheService(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())

	// Another client than our own.
	conn, err := grpc.NewClient("unix:"+h.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	talos := machine.NewMachineServiceClient(conn)

	var kinds []string

	services.command = func(_ string, order events.Order, origin *events.Origin) (uint64, error) {
		if origin.GetVia() != "api" || origin.GetPid() != int32(os.Getpid()) {
			t.Errorf("origin %v", origin)
		}

		kinds = append(kinds, events.NewCommand(nil, nil, order).KindName())

		return 1, nil
	}

	started, err := talos.ServiceStart(t.Context(), &machine.ServiceStartRequest{Id: "beta"})
	if err != nil {
		t.Fatal(err)
	}

	stopped, err := talos.ServiceStop(t.Context(), &machine.ServiceStopRequest{Id: "ext-beta"})
	if err != nil {
		t.Fatal(err)
	}

	restarted, err := talos.ServiceRestart(t.Context(), &machine.ServiceRestartRequest{Id: "beta"})
	if err != nil {
		t.Fatal(err)
	}

	got := []string{started.GetMessages()[0].GetResp(), stopped.GetMessages()[0].GetResp(), restarted.GetMessages()[0].GetResp()}
	want := []string{`Service "ext-beta" started`, `Service "ext-beta" stopped`, `Service "ext-beta" restarted`}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"command.StartService", "command.StopService", "command.RestartService"}, kinds); diff != "" {
		t.Error(diff)
	}

	if started.GetMessages()[0].GetMetadata() != nil {
		t.Error("metadata is for Talos's proxy")
	}
}

func TestRefusedCommand(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())
	services.command = func(string, events.Order, *events.Origin) (uint64, error) {
		return 0, errors.New(`cannot stop "ext-beta": the daemon is shutting down`)
	}

	_, err := h.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "beta"})
	wantStatus(t, err, codes.FailedPrecondition, `cannot stop "ext-beta": the daemon is shutting down`)

	if explained := h.Explain(err); explained.Error() != `cannot stop "ext-beta": the daemon is shutting down` {
		t.Errorf("explained as %q", explained)
	}
}

// "stopped" must be true when it is said: the answer comes after the service left Stopping, and not before.
func TestStopAnswersOnceStopped(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())
	commanded := make(chan struct{}, 2)
	services.command = func(id string, _ events.Order, _ *events.Origin) (uint64, error) {
		services.set(view(id, events.StateStopping, 2))
		commanded <- struct{}{}

		return 2, nil
	}

	// Without wait it answers while the service is stopping.
	if _, err := h.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "beta"}); err != nil {
		t.Fatal(err)
	}

	if now, _ := services.View("ext-beta"); now.State != events.StateStopping {
		t.Fatalf("state %s", now.State)
	}

	<-commanded

	answered := make(chan error, 1)

	go func() {
		_, err := h.Machine.ServiceStop(t.Context(), &machine.ServiceStopRequest{Id: "beta"})
		answered <- err
	}()

	<-commanded

	// Another change of the same service must not count as the end.
	watch, err := h.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}

	wantAnswer(t, watch, 2, []string{"ext-beta"}, nil)
	services.set(view("ext-beta", events.StateStopping, 3))
	wantAnswer(t, watch, 3, []string{"ext-beta"}, nil)

	select {
	case err := <-answered:
		t.Fatalf("answered while stopping: %v", err)
	default:
	}

	services.set(view("ext-beta", events.StateFinished, 4))

	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestPanicIsAnErrorOfOneCall(t *testing.T) {
	services := newServices(view("ext-beta", events.StateRunning, 1))
	h := start(t, services, newJournal())
	services.command = func(string, events.Order, *events.Origin) (uint64, error) { panic("oversight") }

	_, err := h.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "beta"})
	wantStatus(t, err, codes.Internal, "internal error in /extactor.v1.Extactor/Stop: oversight")

	if _, err := h.Extactor.Status(t.Context(), &apiv1.StatusRequest{}); err != nil {
		t.Errorf("the server no longer answers: %v", err)
	}
}

func TestPeerCredentialsNeedAUnixSocket(t *testing.T) {
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()

	if _, _, err := (peerCredentials{}).ServerHandshake(one); err == nil {
		t.Error("a pipe has no peer, and there was no error")
	}
}
