package api

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// extactorService implements extactor.v1.
type extactorService struct {
	apiv1.UnimplementedExtactorServer
	server *Server
}

// Status implements extactor.v1.
func (e *extactorService) Status(_ context.Context, request *apiv1.StatusRequest) (*apiv1.StatusResponse, error) {
	ids, err := e.server.ids(request.GetIds())
	if err != nil {
		return nil, err
	}

	watch := watch{ids: ids, since: request.GetSince()}

	return watch.step(e.server), nil
}

// WatchStatus implements extactor.v1. It looks at the views each time they changed: what happens while the client does
// not read is merged into its next answer, and nobody else is held up.
func (e *extactorService) WatchStatus(request *apiv1.StatusRequest, stream grpc.ServerStreamingServer[apiv1.StatusResponse]) error {
	ids, err := e.server.ids(request.GetIds())
	if err != nil {
		return err
	}

	watch := watch{ids: ids, since: request.GetSince()}

	for first := true; ; first = false {
		changed := e.server.options.Services.Changed()

		response := watch.step(e.server)
		if first || len(response.GetServices()) > 0 || len(response.GetRemoved()) > 0 || watch.rejectedChanged {
			if err := stream.Send(response); err != nil {
				return err
			}
		}

		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Explain implements extactor.v1.
func (e *extactorService) Explain(_ context.Context, request *apiv1.ExplainRequest) (*apiv1.ExplainResponse, error) {
	view, err := e.server.view(request.GetId())
	if err != nil {
		return nil, err
	}

	clocks := e.server.clocks()
	reason, causes := explain(view, e.server.options.Services.Views(), e.server.options.Services.Rejected(), clocks.now.GetBootNs())

	return &apiv1.ExplainResponse{
		Now:    instant(clocks.now, clocks.bootID),
		Reason: reason, RootCauses: causes,
	}, nil
}

// Start implements extactor.v1.
func (e *extactorService) Start(ctx context.Context, request *apiv1.ServiceRequest) (*apiv1.ServiceResponse, error) {
	return e.server.give(ctx, request.GetId(), startOrder, request.GetWait())
}

// Stop implements extactor.v1.
func (e *extactorService) Stop(ctx context.Context, request *apiv1.ServiceRequest) (*apiv1.ServiceResponse, error) {
	return e.server.give(ctx, request.GetId(), stopOrder, request.GetWait())
}

// Restart implements extactor.v1.
func (e *extactorService) Restart(ctx context.Context, request *apiv1.ServiceRequest) (*apiv1.ServiceResponse, error) {
	return e.server.give(ctx, request.GetId(), restartOrder, request.GetWait())
}

// Signal implements extactor.v1.
func (e *extactorService) Signal(ctx context.Context, request *apiv1.SignalRequest) (*apiv1.ServiceResponse, error) {
	name, problem := spec.ParseSignal(request.GetSignal())
	if problem != "" {
		return nil, status.Error(codes.InvalidArgument, problem+"; to end a service: extactor service ID stop")
	}

	sent := order{make: func() events.Order { return &events.SignalService{Signal: name} }, done: "was sent " + name}

	return e.server.give(ctx, request.GetId(), sent, false)
}

// watch remembers what a client has seen.
type watch struct {
	ids   []string // nil: all
	since uint64
	seen  map[string]events.View

	rejected        []*events.SpecRejected
	rejectedChanged bool // by the last step
}

// step returns what the client has not seen yet.
func (w *watch) step(server *Server) *apiv1.StatusResponse {
	all := server.options.Services.Views()
	clocks := server.clocks()
	response := &apiv1.StatusResponse{
		Now: moment(events.Moment{WallNS: clocks.now.GetWallNs(), BootNS: clocks.now.GetBootNs()}, clocks.bootID),
	}

	w.stepRejected(server, response)

	for _, view := range all {
		response.Revision = max(response.GetRevision(), view.Revision)
	}

	if w.since > response.GetRevision() {
		w.since = 0
	}

	seen := make(map[string]events.View, len(all))

	for _, view := range all {
		if w.ids != nil && !slices.Contains(w.ids, view.ID) {
			continue
		}

		seen[view.ID] = view

		last, known := w.seen[view.ID]
		if w.seen == nil && (view.Revision > w.since || w.since == 0) || w.seen != nil && (!known || differs(last, view)) {
			response.Services = append(response.Services, clocks.service(view))
		}
	}

	for id := range w.seen {
		if _, ok := seen[id]; !ok {
			response.Removed = append(response.Removed, id)
		}
	}

	slices.Sort(response.Removed)

	w.seen = seen

	return response
}

// stepRejected tells all files that have problems now.
func (w *watch) stepRejected(server *Server, response *apiv1.StatusResponse) {
	rejected := server.options.Services.Rejected()
	w.rejectedChanged = !slices.EqualFunc(w.rejected, rejected, func(a, b *events.SpecRejected) bool { return proto.Equal(a, b) })
	w.rejected = rejected

	for _, file := range rejected {
		response.Rejected = append(response.Rejected, &apiv1.RejectedFile{File: file.GetFile(), Positions: file.GetProblems()})
	}
}

// differs tells whether a view is another than before. Not every change has a record of its own, such as health.
func differs(before, now events.View) bool {
	return before.Revision != now.Revision || before.State != now.State || before.Health != now.Health || before.Problem != now.Problem
}

// ids resolves what the client asked for, each once.
func (s *Server) ids(asked []string) ([]string, error) {
	var ids []string

	for _, id := range asked {
		view, err := s.view(id)
		if err != nil {
			return nil, err
		}

		if !slices.Contains(ids, view.ID) {
			ids = append(ids, view.ID)
		}
	}

	return ids, nil
}
