package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// farewell is how long running calls get to end once the server stops; a client that does not read is cut off then.
const farewell = time.Second

// Server answers both services. Make it with New.
type Server struct {
	options Options
	grpc    *grpc.Server
	stop    context.CancelFunc
	stopped context.Context // ends when the server stops: every stream ends with it
}

// New makes a server; Serve runs it, once.
func New(options Options) *Server {
	server := &Server{options: options}
	server.stopped, server.stop = context.WithCancel(context.Background())
	server.grpc = grpc.NewServer(
		grpc.Creds(peerCredentials{}),
		grpc.ChainUnaryInterceptor(recoverCall, admitCall),
		grpc.ChainStreamInterceptor(server.endStreams, admitStream),
	)

	machine.RegisterMachineServiceServer(server.grpc, &machineService{server: server})
	apiv1.RegisterExtactorServer(server.grpc, &extactorService{server: server})

	return server
}

// Serve answers until the context ends, then lets running calls finish for at most a second. It closes the listener. It
// returns nil when it was the context that ended it.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.stop()

	failed := make(chan error, 1)

	go func() { failed <- s.grpc.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("cannot serve the API: %w", err)
	case <-ctx.Done():
	}

	s.stop()

	late := time.AfterFunc(farewell, s.grpc.Stop)
	defer late.Stop()

	s.grpc.GracefulStop()

	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("cannot serve the API: %w", err)
	}

	return nil
}

// recoverCall turns a panic into an error of the one call: an oversight here must not end the supervision of services.
func recoverCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (reply any, err error) {
	defer recovered(info.FullMethod, &err)

	return handle(ctx, request)
}

// endStreams does the same for streams, and ends them when the server stops.
func (s *Server) endStreams(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer recovered(info.FullMethod, &err)

	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.stopped, cancel)()

	err = handle(service, boundStream{ServerStream: stream, ctx: ctx})
	if s.stopped.Err() != nil && stream.Context().Err() == nil {
		return status.Error(codes.Unavailable, "the daemon is shutting down")
	}

	return err
}

func recovered(method string, err *error) {
	if problem := recover(); problem != nil {
		*err = status.Errorf(codes.Internal, "internal error in %s: %v", method, problem)
	}
}

// boundStream is a stream with a context that ends earlier than its connection.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s boundStream) Context() context.Context { return s.ctx }
