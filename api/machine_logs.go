package api

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// systemNamespace is where Talos keeps its services.
const systemNamespace = "system"

// ofServices refuses to look anywhere but where the services are. Talos's client asks so for what Kubernetes runs.
func ofServices(namespace string, driver common.ContainerDriver) error {
	if namespace != "" && namespace != systemNamespace {
		return status.Errorf(codes.InvalidArgument, "namespace %q is not known; the containers of services are in %q", excerpt(namespace), systemNamespace)
	}

	if driver != common.ContainerDriver_CONTAINERD {
		return status.Errorf(codes.InvalidArgument, "driver %s is not known; the containers of services are run by %s", driver, common.ContainerDriver_CONTAINERD)
	}

	return nil
}

// logChunk is how much of a log goes into one message. With its envelope it fits into a buffer of 32 KiB; the next size that
// gRPC has is 1 MiB, and a client that does not read keeps several.
const logChunk = 31 << 10

// Logs implements machine.MachineService.
func (m *machineService) Logs(request *machine.LogsRequest, stream grpc.ServerStreamingServer[common.Data]) error {
	if err := ofServices(request.GetNamespace(), request.GetDriver()); err != nil {
		return err
	}

	id, err := m.server.recorded(request.GetId())
	if err != nil {
		return err
	}

	if id == "" {
		return status.Error(codes.InvalidArgument, "no service is named whose log is wanted")
	}

	if !strings.HasPrefix(id, prefix) {
		return status.Errorf(codes.FailedPrecondition, "there is no log of %q here: extactor keeps those of the services that it runs in containers", id)
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

// LogsContainers implements machine.MachineService: the ids that Logs has something for.
func (m *machineService) LogsContainers(context.Context, *emptypb.Empty) (*machine.LogsContainersResponse, error) {
	ids, err := m.server.options.Logs.IDs()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	// A log stays on the disk when its service is long forgotten.
	ids = slices.DeleteFunc(ids, func(id string) bool {
		known, err := m.server.recorded(id)

		return err != nil || known != id || !strings.HasPrefix(id, prefix)
	})

	return &machine.LogsContainersResponse{Messages: []*machine.LogsContainer{{Ids: ids}}}, nil
}
