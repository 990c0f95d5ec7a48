package oci

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	namespacesapi "github.com/containerd/containerd/api/services/namespaces/v1"
	"github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/grpc"

	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
)

// emptyContainerd is a containerd without containers. It may die when it is asked for them.
type emptyContainerd struct {
	containersapi.UnimplementedContainersServer

	server *grpc.Server
	dies   bool
}

func (s *emptyContainerd) List(ctx context.Context, _ *containersapi.ListContainersRequest) (*containersapi.ListContainersResponse, error) {
	if s.dies {
		go s.server.Stop()
		<-ctx.Done()
	}

	return &containersapi.ListContainersResponse{}, ctx.Err()
}

func (s *emptyContainerd) serve(t *testing.T, address string) {
	t.Helper()

	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}

	s.server = grpc.NewServer()
	version.RegisterVersionServer(s.server, &hangingServer{asked: make(chan struct{}, 1)})
	containersapi.RegisterContainersServer(s.server, s)
	namespacesapi.RegisterNamespacesServer(s.server, noNamespaces{})

	go func() { _ = s.server.Serve(listener) }()

	t.Cleanup(s.server.Stop)
}

type noNamespaces struct {
	namespacesapi.UnimplementedNamespacesServer
}

func (noNamespaces) List(context.Context, *namespacesapi.ListNamespacesRequest) (*namespacesapi.ListNamespacesResponse, error) {
	return &namespacesapi.ListNamespacesResponse{}, nil
}

// What daemons left that died between two steps is gone before anything is prepared, also where containerd dies when it is
// asked for the first time.
func TestSweepBeforeTheLinkIsUp(t *testing.T) {
	t.Parallel()

	r, task := unreachable(t), service.Task{ID: "ext-a", Attempt: 3}
	run := r.config.RunDir

	mustMkdir(t, OverlayDir(run, task.ID, task.Attempt), 0o700)

	if err := exits.Write(exits.Path(run, task.ID, task.Attempt)+".new", exits.Record{}); err != nil {
		t.Fatal(err)
	}

	if err := r.claim(task, 0); err != nil {
		t.Fatal(err)
	}

	mustWrite(t, r.processPath("ext-b")+".new", "{", 0o600) // without what it was to replace

	if err := logs.Create(r.logs, "ext-c"); err != nil { // it was prepared, and no more
		t.Fatal(err)
	}

	dying := &emptyContainerd{dies: true}
	dying.serve(t, r.config.Address)

	ctx, cancel := context.WithCancel(t.Context())
	up, down, ended := make(chan struct{}, 1), make(chan struct{}, 100), make(chan struct{})

	go func() {
		defer close(ended)

		r.Link(ctx, func(string, string) { up <- struct{}{} }, func(error) { down <- struct{}{} })
	}()

	select {
	case <-up:
		t.Error("the link is up although nothing was swept")
	case <-down:
	}

	new(emptyContainerd).serve(t, r.config.Address)
	<-up

	for _, directory := range []string{"rootfs", "exits", "tasks", "logs/fifo"} {
		if left, err := os.ReadDir(filepath.Join(run, directory)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", directory, left, err)
		}
	}

	cancel()
	<-ended
}
