package api

import (
	"context"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// A client that has the answers of its nodes collected learns from each answer whose it is; one that asks a node knows.
func TestAnswersNameTheNode(t *testing.T) {
	h := start(t, newServices(), newJournal(record(1, "ext-a", events.StateRunning, "one")))

	for _, row := range []struct {
		headers []string
		want    *common.Metadata
	}{
		{nil, nil},
		{[]string{"node", "10.0.0.7"}, nil},
		{[]string{"nodes", "10.0.0.7"}, &common.Metadata{Hostname: "10.0.0.7"}},
		{[]string{"nodes", "10.0.0.7", "nodes", "10.0.0.8"}, nil}, // over the network that is refused
	} {
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), row.headers...))

		hostname := must[*machine.HostnameResponse](t)(h.Machine.Hostname(ctx, &emptypb.Empty{}))
		equal(t, "answer", hostname.GetMessages(), []*machine.Hostname{{Metadata: row.want, Hostname: "node"}})

		lines := must[machine.MachineService_DmesgClient](t)(h.Machine.Dmesg(ctx, &machine.DmesgRequest{}))
		equal(t, "line", must[*common.Data](t)(lines.Recv()), &common.Data{Metadata: row.want, Bytes: []byte("one\n")})

		stream := must[machine.MachineService_EventsClient](t)(h.Machine.Events(ctx, &machine.EventsRequest{TailEvents: 1}))
		equal(t, "hello", must[*machine.Event](t)(stream.Recv()), &machine.Event{Metadata: row.want})
		equal(t, "event", must[*machine.Event](t)(stream.Recv()).GetMetadata(), row.want)

		must[*apiv1.StatusResponse](t)(h.Extactor.Status(ctx, &apiv1.StatusRequest{})) // which has none

		cancel()
	}
}
