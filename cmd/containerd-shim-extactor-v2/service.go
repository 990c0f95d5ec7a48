//go:build linux

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	eventtypes "github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
)

// taskService is containerd's task service with the log FIFO held open around it.
type taskService struct {
	taskapi.TTRPCTaskService
	recorder *recorder

	mu  sync.Mutex
	log int // descriptor of the FIFO; 0 while none is held
}

// RegisterTTRPC offers the service to containerd.
func (s *taskService) RegisterTTRPC(server *ttrpc.Server) error {
	taskapi.RegisterTTRPCTaskService(server, s)

	return nil
}

// Create opens the log FIFO before the task exists: what the task writes stays in the FIFO even when the service ends
// while nobody reads.
func (s *taskService) Create(ctx context.Context, request *taskapi.CreateTaskRequest) (*taskapi.CreateTaskResponse, error) {
	s.recorder.learn(ctx, request.Bundle)
	s.hold(ctx, request.Stdout)

	response, err := s.TTRPCTaskService.Create(ctx, request)
	if err != nil {
		s.release()
	}

	return response, err
}

// Delete lets go of the log FIFO once the task itself is gone.
func (s *taskService) Delete(ctx context.Context, request *taskapi.DeleteRequest) (*taskapi.DeleteResponse, error) {
	response, err := s.TTRPCTaskService.Delete(ctx, request)
	if err == nil && request.ExecID == "" {
		s.release()
	}

	return response, err
}

// Wait writes the exit record before it answers, so that whoever knows of the exit finds the record.
func (s *taskService) Wait(ctx context.Context, request *taskapi.WaitRequest) (*taskapi.WaitResponse, error) {
	response, err := s.TTRPCTaskService.Wait(ctx, request)
	if err == nil && request.ExecID == "" {
		s.recorder.record(ctx, response.ExitStatus, response.ExitedAt.AsTime())
	}

	return response, err
}

func (s *taskService) hold(ctx context.Context, path string) {
	information, err := os.Stat(path)
	if err != nil || information.Mode()&os.ModeNamedPipe == 0 {
		return
	}

	// Read and write: opening blocks for neither side, and the pipe has a reader and a writer as long as this is open. A
	// bare descriptor, because Go's poller would wake this process at every line that the service prints.
	descriptor, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot hold the log open")

		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	s.log = descriptor
}

func (s *taskService) release() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.log != 0 {
		unix.Close(s.log)
		s.log = 0
	}
}

// recorder writes how the task ended before the event of it is published.
type recorder struct {
	shim.Publisher

	mu     sync.Mutex
	path   string // of the exit record; empty once it is written, or where the container is not extactor's
	cgroup string
}

// learn reads from the container's bundle where the exit record belongs.
func (r *recorder) learn(ctx context.Context, bundle string) {
	var container struct {
		Annotations map[string]string `json:"annotations"`
		Linux       specs.Linux       `json:"linux"`
	}

	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &container)
	}

	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot read the bundle")

		return
	}

	r.mu.Lock()
	defer r.mu.Unlock()

	r.path = container.Annotations[exits.Annotation]
	r.cgroup = container.Linux.CgroupsPath
}

// Publish passes the event on to containerd.
func (r *recorder) Publish(ctx context.Context, topic string, event events.Event) error {
	if exit, ok := event.(*eventtypes.TaskExit); ok && exit.ID == exit.ContainerID {
		r.record(ctx, exit.ExitStatus, exit.ExitedAt.AsTime())
	}

	return r.Publisher.Publish(ctx, topic, event)
}

// record writes the exit record, once.
func (r *recorder) record(ctx context.Context, status uint32, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.path == "" {
		return
	}

	var boot unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	err := exits.Write(r.path, exits.Record{
		Status: status,
		OOM:    cgroup.OOMKilled(r.cgroup),
		WallNS: at.UnixNano(),
		BootNS: boot.Nano() - max(0, int64(time.Since(at))),
	})
	if err != nil {
		log.G(ctx).WithError(err).Error("cannot record the exit")

		return
	}

	r.path = ""
}
