package api

import (
	"context"
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

// Logs implements machine.MachineService.
func (m *machineService) Logs(request *machine.LogsRequest, stream grpc.ServerStreamingServer[common.Data]) error {
	if err := ofServices(request.GetNamespace(), request.GetDriver()); err != nil {
		return err
	}

	query := LogQuery{Tail: int(request.GetTailLines()), Follow: request.GetFollow()}

	return m.server.readLogs(stream.Context(), []string{request.GetId()}, query, func(text []byte) error {
		return stream.Send(&common.Data{Bytes: text})
	})
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
