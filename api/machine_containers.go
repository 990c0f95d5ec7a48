package api

import (
	"context"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
)

// containerdPatience is how long containerd may take to list its tasks.
const containerdPatience = 10 * time.Second

// Containers implements machine.MachineService. As in Talos, the containers of services have no image, and those without a
// task are not listed.
func (m *machineService) Containers(ctx context.Context, request *machine.ContainersRequest) (*machine.ContainersResponse, error) {
	if err := ofServices(request.GetNamespace(), request.GetDriver()); err != nil {
		return nil, err
	}

	ctx, cancel := context.WithTimeout(ctx, containerdPatience)
	defer cancel()

	tasks, err := m.server.options.Tasks.Tasks(ctx)
	if err != nil {
		return nil, failure(codes.Unavailable, err)
	}

	list := &machine.Container{}

	for _, task := range tasks {
		// A container that is no part of a pod is one of its own in Talos, and its client indents all others.
		list.Containers = append(list.Containers, &machine.ContainerInfo{
			Namespace: systemNamespace, Id: task.ID, InternalId: task.ID, PodId: task.ID, Name: task.ID, Pid: task.PID, Status: task.Status,
		})
	}

	return &machine.ContainersResponse{Messages: []*machine.Container{list}}, nil
}

// Stats implements machine.MachineService: memory in bytes, processor time in nanoseconds.
func (m *machineService) Stats(_ context.Context, request *machine.StatsRequest) (*machine.StatsResponse, error) {
	if err := ofServices(request.GetNamespace(), request.GetDriver()); err != nil {
		return nil, err
	}

	ids, usages, err := m.server.usages(nil)
	if err != nil {
		return nil, err
	}

	list := &machine.Stats{}

	for _, id := range ids {
		if usage, measured := usages[id]; measured {
			list.Stats = append(list.Stats, &machine.Stat{
				Namespace: systemNamespace, Id: id, Name: id, PodId: id, MemoryUsage: usage.Memory, CpuUsage: uint64(usage.CPU),
			})
		}
	}

	return &machine.StatsResponse{Messages: []*machine.Stats{list}}, nil
}
