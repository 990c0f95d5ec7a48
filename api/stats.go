package api

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// Stats implements extactor.v1.
func (e *extactorService) Stats(_ context.Context, request *apiv1.StatsRequest) (*apiv1.StatsResponse, error) {
	ids, usages, err := e.server.usages(request.GetIds())
	if err != nil {
		return nil, err
	}

	clocks := e.server.clocks()
	response := &apiv1.StatsResponse{Now: instant(clocks.now, clocks.bootID)}

	for _, id := range ids {
		if usage, measured := usages[id]; measured {
			response.Stats = append(response.Stats, &apiv1.ServiceStat{Id: id, CpuNs: uint64(usage.CPU), MemoryBytes: usage.Memory})
		}
	}

	return response, nil
}

// usages measures those of the services, or all for none, that have a container with a task, and returns them sorted by id.
func (s *Server) usages(asked []string) (ids []string, usages map[string]Usage, err error) {
	for _, view := range s.options.Services.Views() {
		if view.PID != 0 && (len(asked) == 0 || slices.Contains(asked, view.ID)) {
			ids = append(ids, view.ID)
		}
	}

	if len(ids) == 0 {
		return nil, nil, nil
	}

	usages, err = s.options.Meters.Usages(ids)
	if err != nil {
		return nil, nil, failure(codes.Internal, err)
	}

	return ids, usages, nil
}
