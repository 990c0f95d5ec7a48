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
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
)

// taskService is containerd's task service with the log FIFO held open around it.
type taskService struct {
	taskapi.TTRPCTaskService
	recorder *recorder

	turn sync.Mutex // held while the task is made, or deleted and its log emptied

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
	s.turn.Lock()
	defer s.turn.Unlock()

	s.recorder.learn(ctx, request.Bundle)
	s.hold(ctx, request.Stdout)

	// Not broken off where whoever asked for it dies: half a container would be left, which nobody knows of.
	response, err := s.TTRPCTaskService.Create(context.WithoutCancel(ctx), request)
	if err != nil {
		s.release()
	}

	return response, err
}

// Start is not broken off where whoever asked for it dies: the program would be executed, or not, and nobody could tell.
func (s *taskService) Start(ctx context.Context, request *taskapi.StartRequest) (*taskapi.StartResponse, error) {
	response, err := s.TTRPCTaskService.Start(context.WithoutCancel(ctx), request)
	if err == nil && request.ExecID == "" {
		s.recorder.start()
	}

	return response, err
}

// exitGrace is how long this process may take to notice that PID 1 has ended.
const exitGrace = 2 * time.Second

// Pids says that there are no processes only once the end of PID 1 is written down. A containerd that starts deletes a task
// without processes, which fails where its end was not noticed yet, and then forgets it.
func (s *taskService) Pids(ctx context.Context, request *taskapi.PidsRequest) (*taskapi.PidsResponse, error) {
	response, err := s.TTRPCTaskService.Pids(ctx, request)
	if err != nil || len(response.Processes) > 0 {
		return response, err
	}

	grace := time.NewTimer(exitGrace)
	defer grace.Stop()

	select {
	case <-s.recorder.end():
	case <-grace.C:
	case <-ctx.Done():
	}

	return response, nil
}

// Shutdown comes after a Create or a Delete that was broken off, too, and waits for it: a task that is made after all must
// not stay without anybody who knows of it, and a log may still be emptied.
func (s *taskService) Shutdown(ctx context.Context, request *taskapi.ShutdownRequest) (*emptypb.Empty, error) {
	s.turn.Lock()
	defer s.turn.Unlock()

	return s.TTRPCTaskService.Shutdown(ctx, request)
}

// Delete lets go of the log FIFO once the task itself is gone, and all that it printed was taken out of the FIFO: nobody
// else may hold it. The task's own deletion waits until all is in the FIFO.
func (s *taskService) Delete(ctx context.Context, request *taskapi.DeleteRequest) (*taskapi.DeleteResponse, error) {
	s.turn.Lock()
	defer s.turn.Unlock()

	response, err := s.TTRPCTaskService.Delete(ctx, request)
	if err == nil && request.ExecID == "" {
		if s.drained(ctx) {
			s.recorder.delivered(ctx)
		}

		s.release()
	}

	return response, err
}

// How long a log may take to be emptied, which is longer than logd takes to come back, and how often it is looked at.
const (
	drainTimeout = 10 * time.Second
	drainPoll    = 20 * time.Millisecond
)

// drained waits until the log FIFO is empty, also where nobody waits for the answer any more, and tells whether it is.
func (s *taskService) drained(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()

	s.mu.Lock()
	descriptor := s.log
	s.mu.Unlock()

	if descriptor == 0 {
		return true
	}

	poll := time.NewTicker(drainPoll)
	defer poll.Stop()

	for {
		if waiting, err := unix.IoctlGetInt(descriptor, unix.TIOCINQ); err != nil || waiting == 0 {
			return err == nil
		}

		select {
		case <-poll.C:
		case <-ctx.Done():
			return false
		}
	}
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

	mu      sync.Mutex
	path    string        // of the exit record; empty where the container is not extactor's
	written *exits.Record // nil until it is
	ended   chan struct{} // closed once the task has; nil before there is one
	started bool          // the program was executed
	cgroup  string
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

	r.path, r.written, r.started, r.ended = container.Annotations[exits.Annotation], nil, false, make(chan struct{})
	r.cgroup = container.Linux.CgroupsPath
}

// Publish passes the event on to containerd.
func (r *recorder) Publish(ctx context.Context, topic string, event events.Event) error {
	switch event := event.(type) {
	case *eventtypes.TaskStart: // it always comes before the exit
		r.start()
	case *eventtypes.TaskExit:
		if event.ID == event.ContainerID {
			r.record(ctx, event.ExitStatus, event.ExitedAt.AsTime())
		}
	}

	return r.Publisher.Publish(ctx, topic, event)
}

func (r *recorder) start() {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.started = true
}

// record writes the exit record, once.
func (r *recorder) record(ctx context.Context, status uint32, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.path == "" || r.written != nil {
		return
	}

	var boot unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	record := exits.Record{
		Status: status,
		OOM:    cgroup.OOMKilled(r.cgroup),
		WallNS: at.UnixNano(),
		BootNS: boot.Nano() - max(0, int64(time.Since(at))),

		Unstarted: !r.started, Undelivered: true,
	}
	if err := exits.Write(r.path, record); err != nil {
		log.G(ctx).WithError(err).Error("cannot record the exit")

		return
	}

	r.written = &record
	close(r.ended)
}

// end returns a channel that is closed once the end of the task is written down.
func (r *recorder) end() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.ended
}

// delivered adds to the exit record that nothing of what the task printed depends on this process any more.
func (r *recorder) delivered(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.written == nil {
		return
	}

	r.written.Undelivered = false
	if err := exits.Write(r.path, *r.written); err != nil {
		log.G(ctx).WithError(err).Error("cannot record that the output was delivered")
	}
}
