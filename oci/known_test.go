package oci

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
)

// oneContainer is a containerd with one container, whose task does not end.
type oneContainer struct {
	containersapi.UnimplementedContainersServer

	container *containersapi.Container
}

func (s *oneContainer) Get(context.Context, *containersapi.GetContainerRequest) (*containersapi.GetContainerResponse, error) {
	return &containersapi.GetContainerResponse{Container: s.container}, nil
}

// serve answers until stop is called. A wait that is under way is told to the channel.
func (s *oneContainer) serve(t *testing.T, address string) (waiting <-chan struct{}, stop func()) {
	t.Helper()

	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}

	calls := make(chan struct{}, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		calls <- struct{}{}

		<-stream.Context().Done()

		return stream.Context().Err()
	}))
	containersapi.RegisterContainersServer(server, s)

	go func() { _ = server.Serve(listener) }()

	t.Cleanup(server.Stop)

	return calls, server.Stop
}

// A wait that begins anew while containerd is away, or has begun to load and deleted the task with its bundle, knows what
// the one before it knew.
func TestLastLinesOfATaskThatEndedWithoutContainerd(t *testing.T) {
	t.Parallel()

	const secret = "not-for-everybody"

	task, r := service.Task{ID: "ext-a", Attempt: 3}, unreachable(t)
	command, ended := claimedProcess(t, r, task)

	generated, err := typeurl.MarshalAny(&specs.Spec{Process: &specs.Process{Env: []string{"SECRET=" + secret}}})
	if err != nil {
		t.Fatal(err)
	}

	server := &oneContainer{container: &containersapi.Container{
		ID:      task.ID,
		Labels:  map[string]string{labelInstance: "mine", labelAttempt: "3", labelCursor: "8"},
		Runtime: &containersapi.Container_Runtime{Name: "ours"},
		Spec:    &anypb.Any{TypeUrl: generated.GetTypeUrl(), Value: generated.GetValue()},
	}}
	waiting, stop := server.serve(t, r.config.Address)

	if err := logs.Create(r.logs, task.ID); err != nil {
		t.Fatal(err)
	}

	mustWrite(t, filepath.Join(r.logs.Files, task.ID, "00000000000000000000.log"), "earlier\nthe secret is "+secret+"\n", 0o600)

	ctx, breakOff := context.WithCancel(t.Context())
	broken := make(chan error, 1)

	go func() {
		_, err := r.Wait(ctx, task)
		broken <- err
	}()

	<-waiting
	breakOff()

	if err := <-broken; err == nil {
		t.Fatal("a wait that was broken off tells of an end")
	}

	stop()

	if err := exits.Write(exits.Path(r.config.RunDir, task.ID, task.Attempt), exits.Record{Status: 5, WallNS: 1, BootNS: 1}); err != nil {
		t.Fatal(err)
	}

	_ = command.Process.Kill()
	<-ended

	exit, err := r.Wait(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}

	if want := "the secret is [redacted]\n"; exit.GetCode() != 5 || exit.GetLastLines() != want {
		t.Errorf("exit %v, want the last lines %q", exit, want)
	}
}

func TestKnownContainers(t *testing.T) {
	t.Parallel()

	var known known

	third, fourth := service.Task{ID: "ext-a", Attempt: 3}, service.Task{ID: "ext-a", Attempt: 4}

	known.add(withAttempt(fourth))
	known.add(withAttempt(third)) // by an old listing

	if known.of(third) != nil || known.of(fourth) == nil {
		t.Error("an earlier attempt took the place of a later one")
	}

	known.forget(third)

	if known.of(fourth) == nil {
		t.Error("another attempt was forgotten")
	}

	known.forget(fourth)

	if known.of(fourth) != nil || len(known.containers) != 0 {
		t.Error("it was not forgotten")
	}
}

func withAttempt(task service.Task) *containers.Container {
	return &containers.Container{ID: task.ID, Labels: map[string]string{labelAttempt: strconv.FormatUint(task.Attempt, 10)}}
}
