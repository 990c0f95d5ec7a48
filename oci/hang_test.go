package oci

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// hangingServer answers nothing but questions for its version, and these only until it hangs.
type hangingServer struct {
	version.UnimplementedVersionServer

	hangs atomic.Bool
	asked chan struct{}
	calls chan struct{}
}

func (s *hangingServer) Version(ctx context.Context, _ *emptypb.Empty) (*version.VersionResponse, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}

	if s.hangs.Load() {
		<-ctx.Done()
	}

	return &version.VersionResponse{Version: "v1"}, ctx.Err()
}

func (s *hangingServer) serve(t *testing.T) (address string) {
	t.Helper()

	address = filepath.Join(t.TempDir(), "socket")

	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}

	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		s.calls <- struct{}{}

		<-stream.Context().Done()

		return stream.Context().Err()
	}))
	version.RegisterVersionServer(server, s)

	ended := make(chan error, 1)

	go func() { ended <- server.Serve(listener) }()

	t.Cleanup(func() {
		server.Stop()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	return address
}

// call makes a call that is never answered, and returns when it is under way.
func (s *hangingServer) call(ctx context.Context, conn *grpc.ClientConn) <-chan error {
	ended := make(chan error, 1)

	go func() { ended <- conn.Invoke(ctx, "/test/Wait", &emptypb.Empty{}, &emptypb.Empty{}) }()

	<-s.calls

	return ended
}

func TestHangClosesTheConnection(t *testing.T) {
	server := &hangingServer{asked: make(chan struct{}, 1), calls: make(chan struct{}, 1)}
	watch := newHangs(time.Millisecond, time.Second)

	conn, err := connect(server.serve(t), watch, new(dials), new(pause))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	for range 2 { // also on the next connection
		server.hangs.Store(false)

		ended := server.call(t.Context(), conn)

		for range 3 { // asked again and again, and as long as it answers the call goes on
			<-server.asked
		}

		select {
		case err := <-ended:
			t.Fatalf("the call ended with %v", err)
		default:
		}

		server.hangs.Store(true)

		if err := <-ended; status.Code(err) != codes.Unavailable {
			t.Errorf("the call ended with %v", err)
		}

		if problem := watch.lastProblem(); problem == nil || !strings.Contains(problem.Error(), "not answered") {
			t.Errorf("problem: %v", problem)
		}

		watch.answered()

		if problem := watch.lastProblem(); problem != nil {
			t.Errorf("the problem is still told: %v", problem)
		}
	}
}

func TestNobodyIsAskedWithoutACall(t *testing.T) {
	server := &hangingServer{asked: make(chan struct{}, 1), calls: make(chan struct{}, 1)}
	watch := newHangs(time.Hour, time.Hour)

	conn, err := connect(server.serve(t), watch, new(dials), new(pause))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		first, second := server.call(ctx, conn), server.call(ctx, conn)

		if !watch.timer.Reset(time.Hour) {
			t.Error("no question is planned while calls are under way")
		}

		cancel()
		<-first
		<-second

		if watch.timer.Stop() {
			t.Error("a question is planned although no call is under way")
		}
	}
}
