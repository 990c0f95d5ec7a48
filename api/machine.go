package api

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/rs/xid"
	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/events"
)

// machineService implements the part of Talos's machine.MachineService that is about services. The rest answers
// Unimplemented. Errors are plain gRPC statuses: Metadata is for Talos's own proxy and stays empty.
type machineService struct {
	machine.UnimplementedMachineServiceServer
	server *Server
}

// ServiceList implements machine.MachineService.
func (m *machineService) ServiceList(context.Context, *emptypb.Empty) (*machine.ServiceListResponse, error) {
	clocks := m.server.clocks()
	list := &machine.ServiceList{}

	for _, view := range m.server.options.Services.Views() {
		list.Services = append(list.Services, clocks.serviceInfo(view))
	}

	return &machine.ServiceListResponse{Messages: []*machine.ServiceList{list}}, nil
}

// ServiceStart implements machine.MachineService.
func (m *machineService) ServiceStart(ctx context.Context, request *machine.ServiceStartRequest) (*machine.ServiceStartResponse, error) {
	response, err := m.server.give(ctx, request.GetId(), startOrder, false)
	if err != nil {
		return nil, err
	}

	return &machine.ServiceStartResponse{Messages: []*machine.ServiceStart{{Resp: response.GetMessage()}}}, nil
}

// ServiceStop implements machine.MachineService. As in Talos it answers once the service has stopped.
func (m *machineService) ServiceStop(ctx context.Context, request *machine.ServiceStopRequest) (*machine.ServiceStopResponse, error) {
	response, err := m.server.give(ctx, request.GetId(), stopOrder, true)
	if err != nil {
		return nil, err
	}

	return &machine.ServiceStopResponse{Messages: []*machine.ServiceStop{{Resp: response.GetMessage()}}}, nil
}

// ServiceRestart implements machine.MachineService. As in Talos it answers once the service has stopped.
func (m *machineService) ServiceRestart(ctx context.Context, request *machine.ServiceRestartRequest) (*machine.ServiceRestartResponse, error) {
	response, err := m.server.give(ctx, request.GetId(), restartOrder, true)
	if err != nil {
		return nil, err
	}

	return &machine.ServiceRestartResponse{Messages: []*machine.ServiceRestart{{Resp: response.GetMessage()}}}, nil
}

// Version implements machine.MachineService.
func (m *machineService) Version(ctx context.Context, _ *emptypb.Empty) (*machine.VersionResponse, error) {
	version := m.server.options.Version
	_, remote := remoteCaller(ctx) // whose roles count

	return &machine.VersionResponse{Messages: []*machine.Version{{
		Version: &machine.VersionInfo{
			Tag: version.Tag, Sha: version.SHA, Built: version.Built,
			GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH,
		},
		Features: &machine.FeaturesInfo{Rbac: remote},
	}}}, nil
}

// systemNamespace is where Talos keeps its services' logs.
const systemNamespace = "system"

// logChunk is how much of a log goes into one message. With its envelope it fits into a buffer of 32 KiB; the next size that
// gRPC has is 1 MiB, and a client that does not read keeps several.
const logChunk = 31 << 10

// Logs implements machine.MachineService.
func (m *machineService) Logs(request *machine.LogsRequest, stream grpc.ServerStreamingServer[common.Data]) error {
	if namespace := request.GetNamespace(); namespace != "" && namespace != systemNamespace {
		return status.Errorf(codes.InvalidArgument, "namespace %q is not known; the logs of services are in %q", namespace, systemNamespace)
	}

	id, err := m.server.recorded(request.GetId())
	if err != nil {
		return err
	}

	if id == "" {
		return status.Error(codes.InvalidArgument, "no service is named whose log is wanted")
	}

	reader, err := m.server.options.Logs.Open(stream.Context(), id, int(request.GetTailLines()), request.GetFollow())
	if err != nil {
		return failure(codes.Internal, err)
	}
	defer reader.Close()

	buffer := make([]byte, logChunk)

	for {
		n, err := reader.Read(buffer)
		if n > 0 {
			// gRPC has encoded the message when Send returns, so the buffer can be used again.
			if err := stream.Send(&common.Data{Bytes: buffer[:n]}); err != nil {
				return err
			}
		}

		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return failure(codes.Internal, err)
		}
	}
}

// Events implements machine.MachineService: each record of a service as a ServiceStateEvent, first an empty event which
// says that the stream has begun.
func (m *machineService) Events(request *machine.EventsRequest, stream grpc.ServerStreamingServer[machine.Event]) error {
	reading := reading{tail: int(request.GetTailEvents()), follow: true}
	oldest := time.Time{}

	if request.GetTailId() != "" {
		id, err := xid.FromString(request.GetTailId())
		if err != nil {
			return status.Errorf(codes.InvalidArgument, "cannot read event id %q: %v", request.GetTailId(), err)
		}

		reading.since, reading.tail = sequence(id), -1
	}

	clocks := m.server.clocks()

	if seconds := request.GetTailSeconds(); seconds > 0 {
		oldest = time.Unix(0, clocks.now.GetWallNs()).Add(-time.Duration(seconds) * time.Second)
		reading.tail = -1
	}

	records, after, err := m.server.begin(reading)
	if err != nil {
		return err
	}

	if err := stream.Send(&machine.Event{}); err != nil {
		return err
	}

	return m.server.play(stream.Context(), reading, records, after, func(record events.Record) error {
		at := events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}
		if record.Service == "" || request.GetWithActorId() != "" || clocks.wall(at, record.BootID).Before(oldest) {
			return nil
		}

		event, err := stateEvent(record)
		if err != nil {
			return failure(codes.Internal, err)
		}

		return stream.Send(event)
	})
}

// typeURL is how Talos's client knows its own messages.
const typeURL = "talos/runtime/machine.ServiceStateEvent"

func stateEvent(record events.Record) (*machine.Event, error) {
	data, err := proto.Marshal(&machine.ServiceStateEvent{
		Service: record.Service, Action: action(record.State), Message: record.Message,
		Health: &machine.ServiceHealth{Unknown: true},
	})
	if err != nil {
		return nil, err
	}

	return &machine.Event{Data: &anypb.Any{TypeUrl: typeURL, Value: data}, Id: eventID(record).String()}, nil
}

func action(state string) machine.ServiceStateEvent_Action {
	switch state {
	case events.StateWaiting:
		return machine.ServiceStateEvent_WAITING
	case events.StatePreparing:
		return machine.ServiceStateEvent_PREPARING
	case events.StateRunning:
		return machine.ServiceStateEvent_RUNNING
	case events.StateStopping:
		return machine.ServiceStateEvent_STOPPING
	case events.StateFinished:
		return machine.ServiceStateEvent_FINISHED
	case events.StateFailed:
		return machine.ServiceStateEvent_FAILED
	case events.StateSkipped:
		return machine.ServiceStateEvent_SKIPPED
	default:
		return machine.ServiceStateEvent_INITIALIZED
	}
}

// eventID makes an xid of a record: its second, as in every xid, then its sequence where others have machine, process
// and counter. The same record has the same id for ever, and a client that was cut off can go on after it.
func eventID(record events.Record) xid.ID {
	var id xid.ID

	binary.BigEndian.PutUint32(id[:4], uint32(record.WallNS/int64(time.Second)))
	binary.BigEndian.PutUint64(id[4:], record.Seq)

	return id
}

func sequence(id xid.ID) uint64 { return binary.BigEndian.Uint64(id[4:]) }
