package api

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// order is a person's command with the word that answers it.
type order struct {
	make func() events.Order
	done string // what has become of the service
}

var (
	startOrder   = order{make: func() events.Order { return &events.StartService{} }, done: "started"}
	stopOrder    = order{make: func() events.Order { return &events.StopService{} }, done: "stopped"}
	restartOrder = order{make: func() events.Order { return &events.RestartService{} }, done: "restarted"}
)

// give hands the order to the service. With wait it returns only once the service is no longer stopping, so that what it
// then says is true.
func (s *Server) give(ctx context.Context, id string, order order, wait bool) (*apiv1.ServiceResponse, error) {
	view, err := s.view(id)
	if err != nil {
		return nil, err
	}

	seq, err := s.options.Services.Command(ctx, view.ID, order.make(), origin(ctx))
	if err != nil {
		return nil, failure(codes.FailedPrecondition, err)
	}

	if wait {
		if err := s.awaitStopped(ctx, view.ID); err != nil {
			return nil, err
		}
	}

	return &apiv1.ServiceResponse{Id: view.ID, Seq: seq, Message: fmt.Sprintf("Service %q %s", view.ID, order.done)}, nil
}

func (s *Server) awaitStopped(ctx context.Context, id string) error {
	for {
		changed := s.options.Services.Changed()

		view, ok := s.options.Services.View(id)
		if !ok || view.State != events.StateStopping {
			return nil
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return failure(codes.Internal, ctx.Err())
		case <-s.stopped.Done():
			return status.Errorf(codes.Unavailable, "the daemon is shutting down and service %q is still stopping", id)
		}
	}
}
