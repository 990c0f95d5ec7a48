package api

import (
	"context"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Hostname implements machine.MachineService.
func (m *machineService) Hostname(context.Context, *emptypb.Empty) (*machine.HostnameResponse, error) {
	name, err := m.server.options.Machine.Hostname()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.HostnameResponse{Messages: []*machine.Hostname{{Hostname: name}}}, nil
}

// LoadAvg implements machine.MachineService.
func (m *machineService) LoadAvg(context.Context, *emptypb.Empty) (*machine.LoadAvgResponse, error) {
	load, err := m.server.options.Machine.LoadAvg()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.LoadAvgResponse{Messages: []*machine.LoadAvg{load}}, nil
}

// Memory implements machine.MachineService. Talos's client needs meminfo to be there.
func (m *machineService) Memory(context.Context, *emptypb.Empty) (*machine.MemoryResponse, error) {
	info, err := m.server.options.Machine.Memory()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.MemoryResponse{Messages: []*machine.Memory{{Meminfo: info}}}, nil
}

// SystemStat implements machine.MachineService.
func (m *machineService) SystemStat(context.Context, *emptypb.Empty) (*machine.SystemStatResponse, error) {
	stat, err := m.server.options.Machine.SystemStat()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.SystemStatResponse{Messages: []*machine.SystemStat{stat}}, nil
}

// CPUInfo implements machine.MachineService.
func (m *machineService) CPUInfo(context.Context, *emptypb.Empty) (*machine.CPUInfoResponse, error) {
	processors, err := m.server.options.Machine.CPUInfo()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.CPUInfoResponse{Messages: []*machine.CPUsInfo{{CpuInfo: processors}}}, nil
}

// CPUFreqStats implements machine.MachineService.
func (m *machineService) CPUFreqStats(context.Context, *emptypb.Empty) (*machine.CPUFreqStatsResponse, error) {
	frequencies, err := m.server.options.Machine.CPUFrequencies()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.CPUFreqStatsResponse{Messages: []*machine.CPUsFreqStats{{CpuFreqStats: frequencies}}}, nil
}

// NetworkDeviceStats implements machine.MachineService.
func (m *machineService) NetworkDeviceStats(context.Context, *emptypb.Empty) (*machine.NetworkDeviceStatsResponse, error) {
	stats, err := m.server.options.Machine.NetworkDevices()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.NetworkDeviceStatsResponse{Messages: []*machine.NetworkDeviceStats{stats}}, nil
}

// DiskStats implements machine.MachineService.
func (m *machineService) DiskStats(context.Context, *emptypb.Empty) (*machine.DiskStatsResponse, error) {
	stats, err := m.server.options.Machine.Disks()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.DiskStatsResponse{Messages: []*machine.DiskStats{stats}}, nil
}

// Processes implements machine.MachineService.
func (m *machineService) Processes(context.Context, *emptypb.Empty) (*machine.ProcessesResponse, error) {
	processes, err := m.server.options.Machine.Processes()
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.ProcessesResponse{Messages: []*machine.Process{{Processes: processes}}}, nil
}

// Mounts implements machine.MachineService.
func (m *machineService) Mounts(ctx context.Context, _ *emptypb.Empty) (*machine.MountsResponse, error) {
	mounts, err := m.server.options.Machine.Mounts(ctx)
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &machine.MountsResponse{Messages: []*machine.Mounts{{Stats: mounts}}}, nil
}

// Dmesg implements machine.MachineService: each line in a message of its own, with its end, which the client does not add.
func (m *machineService) Dmesg(request *machine.DmesgRequest, stream grpc.ServerStreamingServer[common.Data]) error {
	err := m.server.options.Machine.Log(stream.Context(), request.GetFollow(), request.GetTail(), func(line []byte) error {
		return stream.Send(&common.Data{Bytes: line})
	})

	return failure(codes.Internal, err)
}
