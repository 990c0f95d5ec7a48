package oci

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	"github.com/google/uuid"

	"github.com/extactor/extactor/service"
)

// What Exec returns for a command that could not be started, as shells and other container tools do.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Exec runs a command in the container of a running task, with the environment and the rights of its own process, and
// returns its exit code (128+n where signal n ended it) once the command has ended and its output is closed. A command
// that does not exist has code 127 and one that is not executable 126, both with an error that says so; every other error
// has code -1. When the context ends, the command is killed with all that it started in its session.
func (r *Runtime) Exec(ctx context.Context, task service.Task, request service.ExecRequest) (exitCode int, err error) {
	ctx = r.namespaced(ctx)

	exitCode, err = r.exec(ctx, task, request)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // why it was interrupted, rather than that it was
	}

	if err != nil {
		return exitCode, fmt.Errorf("cannot run a command in %q: %w", task.ID, err)
	}

	return exitCode, nil
}

func (r *Runtime) exec(ctx context.Context, task service.Task, request service.ExecRequest) (int, error) {
	if len(request.Args) == 0 {
		return -1, errors.New("no command is given")
	}

	container, err := r.findTask(ctx, task)
	if err != nil {
		return -1, err
	}

	if container == nil {
		return -1, errNotRunning
	}

	command := &command{runtime: r, id: task.ID, execID: "exec-" + uuid.NewString(), request: request}
	if err := command.create(ctx, *container); err != nil {
		return -1, err
	}

	code, err := command.run(ctx)

	if problem := command.remove(ctx); problem != nil {
		r.config.Logger.Warn().Err(problem).Str("id", task.ID).Msg("something of a command is left")
	}

	return code, err
}

var errNotRunning = errors.New("it is not running")

// command is one call of Exec.
type command struct {
	runtime *Runtime
	id      string // of the container
	execID  string
	request service.ExecRequest
	streams *cio.DirectIO
	pid     uint32         // 0: it was not started
	copies  sync.WaitGroup // of output

	finished bool // it has ended, and its output is closed
}

// execDir is where the FIFOs of an id's commands lie, one directory for each command.
func execDir(runDir, id string) string { return filepath.Join(runDir, "exec", id) }

// create makes the FIFOs and the process; it is not started yet.
func (c *command) create(ctx context.Context, container containers.Container) error {
	generated, err := specOfContainer(container)
	if err != nil {
		return err
	}

	process := generated.Process
	process.Args = c.request.Args
	process.Env = MergeEnvironment(process.Env, c.request.Env)
	process.Terminal = c.request.Terminal

	if c.request.Cwd != "" {
		process.Cwd = c.request.Cwd
	}

	encoded, err := typeurl.MarshalAnyToProto(process)
	if err != nil {
		return err
	}

	// Only root may open the FIFOs.
	fifos, err := cio.NewFIFOSetInDir(execDir(c.runtime.config.RunDir, c.id), "command", c.request.Terminal)
	if err != nil {
		return err
	}

	if c.request.Stdin == nil {
		fifos.Stdin = ""
	}

	if c.request.Terminal {
		fifos.Stderr = ""
	}

	if c.streams, err = cio.NewDirectIO(context.WithoutCancel(ctx), fifos); err != nil {
		return errors.Join(err, fifos.Close())
	}

	// A call that is given up half-way may have made the process nevertheless, which nobody would then delete.
	creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	_, err = c.runtime.client.TaskService().Exec(creating, &tasks.ExecProcessRequest{
		ContainerID: c.id,
		ExecID:      c.execID,
		Terminal:    c.request.Terminal,
		Stdin:       fifos.Stdin,
		Stdout:      fifos.Stdout,
		Stderr:      fifos.Stderr,
		Spec:        encoded,
	})
	if err := errgrpc.ToNative(err); err != nil {
		c.streams.Cancel()
		_ = c.streams.Close()

		if notRunning(err) {
			return errNotRunning
		}

		return errors.Join(err, c.delete(context.WithoutCancel(ctx)))
	}

	return nil
}

// run starts the process and returns its exit code.
func (c *command) run(ctx context.Context) (int, error) {
	if ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}

	// One that is given up half-way would go on, and nobody knew which process to kill.
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	started, err := c.runtime.client.TaskService().Start(starting, &tasks.StartRequest{ContainerID: c.id, ExecID: c.execID})
	if err := errgrpc.ToNative(err); err != nil {
		return explainCommand(err, c.request)
	}

	c.pid = started.Pid
	c.copyStreams(ctx)

	resizing, stop := context.WithCancel(ctx)
	defer stop()

	go c.resize(resizing)

	response, err := c.runtime.client.TaskService().Wait(ctx, &tasks.WaitRequest{ContainerID: c.id, ExecID: c.execID})
	if err := errgrpc.ToNative(err); err != nil {
		return -1, err
	}

	// What it started may hold its output open; docker and others wait for that too.
	if err := c.awaitOutput(ctx); err != nil {
		return -1, err
	}

	c.finished = true

	return int(response.ExitStatus), nil
}

// notRunning recognises what shims and OCI runtimes say of a task that has ended.
func notRunning(err error) bool {
	return errdefs.IsNotFound(err) || hasEnded(err) || strings.Contains(err.Error(), "in a stopped state")
}

// explainCommand says in plain words why a command was not started.
func explainCommand(err error, request service.ExecRequest) (int, error) {
	if notRunning(err) {
		return -1, errNotRunning
	}

	text, name := err.Error(), request.Args[0]

	match := runcLookup.FindStringSubmatch(text)
	if match == nil {
		match = crunLookup.FindStringSubmatch(text)
	}

	if match == nil {
		return -1, errors.New(innermost(text))
	}

	reason := strings.ToLower(match[2])

	switch {
	case strings.Contains(reason, "permission denied"), strings.Contains(reason, "is a directory"):
		return exitNotExecutable, fmt.Errorf("command %q is not an executable file", name)
	case !strings.Contains(name, "/"):
		return exitNotFound, fmt.Errorf("command %q not found in any directory of PATH in the container's environment "+
			"(its whole path needs no PATH)", name)
	default:
		return exitNotFound, fmt.Errorf("command %q not found in the container", name)
	}
}
