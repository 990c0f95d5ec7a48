package api

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/events"
)

func TestLogs(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())
	h.logs.text = "four\nfive\n"

	stream, err := h.Machine.Logs(t.Context(), &machine.LogsRequest{
		Namespace: "system", Driver: common.ContainerDriver_CONTAINERD, Id: "hello", TailLines: 2,
	})
	if err != nil {
		t.Fatal(err)
	}

	var text []byte

	for {
		data, err := stream.Recv()
		if err == io.EOF {
			break
		}

		if err != nil {
			t.Fatal(err)
		}

		text = append(text, data.GetBytes()...)
	}

	if string(text) != "four\nfive\n" {
		t.Errorf("text %q", text)
	}

	if asked, want := <-h.logs.asked, (logRequest{"ext-hello", LogQuery{Tail: 2}}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}
}

func TestLogsEndWithTheirReader(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal())
	h.logs.text = "one\n"

	ctx, cancel := context.WithCancel(t.Context())

	stream, err := h.Machine.Logs(ctx, &machine.LogsRequest{Id: "ext-hello", Follow: true, TailLines: -1})
	if err != nil {
		t.Fatal(err)
	}

	if data, err := stream.Recv(); err != nil || string(data.GetBytes()) != "one\n" {
		t.Fatalf("%q, %v", data.GetBytes(), err)
	}

	if asked, want := <-h.logs.asked, (logRequest{"ext-hello", LogQuery{Tail: -1, Follow: true}}); asked != want {
		t.Errorf("asked %+v, want %+v", asked, want)
	}

	cancel()
	<-h.logs.stopped
}

func TestLogsRefuses(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateRunning, 1)), newJournal(record(1, "cri", events.StateRunning, "Host service: running")))

	for _, row := range []struct {
		request *machine.LogsRequest
		code    codes.Code
		message string
	}{
		{&machine.LogsRequest{Id: "x"}, codes.NotFound, `service "x" is not known; known services: ext-hello`},
		{&machine.LogsRequest{}, codes.InvalidArgument, "no service is named whose log is wanted"},
		{&machine.LogsRequest{Id: "hello", Namespace: "k8s.io"}, codes.InvalidArgument, `namespace "k8s.io" is not known; the containers of services are in "system"`},
		{
			&machine.LogsRequest{Id: "hello", Namespace: "system", Driver: common.ContainerDriver_CRI}, codes.InvalidArgument,
			"driver CRI is not known; the containers of services are run by CONTAINERD",
		},
		{&machine.LogsRequest{Id: "hello", Driver: 7}, codes.InvalidArgument, "driver 7 is not known; the containers of services are run by CONTAINERD"},
		{&machine.LogsRequest{Id: "cri"}, codes.FailedPrecondition, `there is no log of "cri" here: extactor keeps those of the services that it runs in containers`},
		{&machine.LogsRequest{Id: "../../etc/passwd"}, codes.NotFound, `service "../../etc/passwd" is not known; known services: ext-hello`},
		{&machine.LogsRequest{Id: "hello\x00"}, codes.NotFound, `service "hello\x00" is not known; known services: ext-hello`},
		{
			&machine.LogsRequest{Id: strings.Repeat("€", 1<<18), TailLines: math.MinInt32}, codes.NotFound,
			`service "` + strings.Repeat("€", 33) + `..." is not known; known services: ext-hello`,
		},
	} {
		stream, err := h.Machine.Logs(t.Context(), row.request)
		if err != nil {
			t.Fatal(err)
		}

		_, err = stream.Recv()
		wantStatus(t, err, row.code, row.message)
	}
}

// What is listed can be asked for; a log that is left of a service which nobody knows any more cannot.
func TestLogsContainers(t *testing.T) {
	h := start(t, newServices(view("ext-hello", events.StateWaiting, 1)), newJournal(
		record(1, "ext-past", events.StateFinished, "ended"), record(2, "cri", events.StateRunning, "Host service: running"),
	))

	got := must[*machine.LogsContainersResponse](t)(h.Machine.LogsContainers(t.Context(), &emptypb.Empty{}))
	equal(t, "no logs", got, &machine.LogsContainersResponse{Messages: []*machine.LogsContainer{{}}})

	h.logs.ids = []string{"cri", "ext-forgotten", "ext-hello", "ext-past", "past"}
	got = must[*machine.LogsContainersResponse](t)(h.Machine.LogsContainers(t.Context(), &emptypb.Empty{}))
	equal(t, "logs", got, &machine.LogsContainersResponse{Messages: []*machine.LogsContainer{{Ids: []string{"ext-hello", "ext-past"}}}})

	for _, id := range got.GetMessages()[0].GetIds() {
		stream := must[machine.MachineService_LogsClient](t)(h.Machine.Logs(t.Context(), &machine.LogsRequest{Namespace: "system", Id: id, TailLines: math.MaxInt32}))
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("%s: %v", id, err)
		}

		if asked, want := <-h.logs.asked, (logRequest{id, LogQuery{Tail: math.MaxInt32}}); asked != want {
			t.Errorf("asked %+v, want %+v", asked, want)
		}
	}
}
