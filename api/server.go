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
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// farewell is how long running calls get to end once the server stops; a client that does not read is cut off then.
const farewell = time.Second

// largestRequest is what anybody may send in one message: a file of the largest size that is read, and its envelope.
const largestRequest = 1<<20 + 64<<10

// Server answers both services. Make it with New.
type Server struct {
	options Options
	stop    context.CancelFunc
	turn    chan struct{}   // of clients of the network with the past
	stopped context.Context // ends when the server stops: every stream ends with it
}

// New makes a server; Serve and ServeNetwork run it, each once.
func New(options Options) *Server {
	server := &Server{options: options, turn: make(chan struct{}, 1)}
	server.stopped, server.stop = context.WithCancel(context.Background())

	return server
}

// Serve answers on the unix socket until the context ends, then lets running calls finish for at most a second. It closes
// the listener. It returns nil when it was the context that ended it.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return s.serve(ctx, s.register(
		grpc.Creds(peerCredentials{}),
		grpc.MaxRecvMsgSize(largestRequest),
		grpc.ChainUnaryInterceptor(recoverCall, admitCall),
		grpc.ChainStreamInterceptor(s.endStreams, admitStream),
	), listener)
}

// buffers are those in which messages are written: an answer has one until its client has read it. Of gRPC's own, what does not
// fit into 32 KiB takes a whole MiB.
var buffers = mem.NewTieredBufferPool(1<<8, 1<<12, 1<<13, 1<<14, 1<<15, 1<<16, 1<<17, 1<<18, 1<<19, 1<<20)

// register makes a gRPC server of both services. Who may call is asked first, then whether there is what is called.
func (s *Server) register(options ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(append(options, experimental.BufferPool(buffers),
		grpc.ChainUnaryInterceptor(absentCall, nameNodeCall), grpc.ChainStreamInterceptor(absentStream, nameNodeStream),
		grpc.UnknownServiceHandler(absentService),
	)...)

	machine.RegisterMachineServiceServer(server, &machineService{server: s})
	apiv1.RegisterExtactorServer(server, &extactorService{server: s})

	return server
}

func (s *Server) serve(ctx context.Context, server *grpc.Server, listeners ...net.Listener) error {
	ended := make(chan error, len(listeners))

	for _, listener := range listeners {
		go func() { ended <- server.Serve(listener) }()
	}

	select {
	case err := <-ended:
		server.Stop()

		return fmt.Errorf("cannot serve the API: %w", err)
	case <-ctx.Done():
	}

	s.stop()

	late := time.AfterFunc(farewell, server.Stop)
	defer late.Stop()

	server.GracefulStop()

	for range listeners {
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return fmt.Errorf("cannot serve the API: %w", err)
		}
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
