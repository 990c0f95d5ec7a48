package api

import (
	"context"
	"runtime"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/types/known/emptypb"
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
