package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/program"
	"github.com/extactor/extactor/oci/server"
)

const (
	childRetryMin = 100 * time.Millisecond
	childRetryMax = 5 * time.Second
	childGrace    = 10 * time.Second // a server that lived longer than this is restarted at once
)

// DaemonCgroup is the cgroup of containerd and of logd, below the parent of the services' cgroups.
const DaemonCgroup = ".daemon"

// child keeps the embedded containerd alive. One that an earlier daemon left behind is taken over, also where it is
// another program than that of the configuration: of the version before. That one is kept until it is replaced.
type child struct {
	config   Config
	conn     *grpc.ClientConn
	cancel   context.CancelFunc
	done     chan struct{} // closed when nobody keeps the server alive any more
	compared chan struct{} // closed once a server was looked for, and compared where it was found
	replaces chan replacement
	hurry    chan struct{} // room for one: the next pause before a start is cut short

	previous atomic.Pointer[program.Program] // of a server that is another program; nil: there is none

	mu      sync.Mutex
	problem error // why there is no server
	refused error // why there is only the previous one
}

func startChild(config Config, conn *grpc.ClientConn) *child {
	ctx, cancel := context.WithCancel(context.Background())
	c := &child{
		config: config, conn: conn, cancel: cancel,
		done: make(chan struct{}), compared: make(chan struct{}), replaces: make(chan replacement),
		hurry: make(chan struct{}, 1),
	}

	go c.keep(ctx)

	return c
}

// keep has one server running until the context ends.
func (c *child) keep(ctx context.Context) {
	defer close(c.done)
	defer c.keepProgram(nil)

	compared := sync.OnceFunc(func() { close(c.compared) })
	defer compared()

	for delay := childRetryMin; ; {
		begin := time.Now()

		err := c.live(ctx, compared)
		if ctx.Err() != nil {
			return
		}

		c.mu.Lock()
		c.problem = err
		c.mu.Unlock()

		c.config.Logger.Error().Err(err).Msg("containerd ended; starting it again")

		if time.Since(begin) > childGrace {
			delay = childRetryMin

			continue
		}

		select {
		case <-ctx.Done():
			return
		case <-c.hurry:
		case <-time.After(delay):
		}

		delay = min(2*delay, childRetryMax)
	}
}

// hasten has a server that ended started again at once.
func (c *child) hasten() {
	select {
	case c.hurry <- struct{}{}:
	default:
	}
}

// live finds or starts the server and returns when it has ended, with the reason.
func (c *child) live(ctx context.Context, compared func()) error {
	process, err := c.findOrStart(ctx, ctx)
	compared()

	if err != nil {
		return err
	}

	for {
		c.reconnect()

		asked, err := c.await(ctx, process)
		if err != nil {
			return err
		}

		if asked == nil {
			return fmt.Errorf("containerd ended unexpectedly; its log is %q", server.LogPath(c.config.RunDir))
		}

		process, err = c.exchange(ctx, asked.ctx)
		asked.done <- errors.Join(err, c.lastRefusal())

		if err != nil {
			return err
		}
	}
}

// reconnect tells gRPC that there is a server now.
func (c *child) reconnect() {
	c.mu.Lock()
	c.problem = nil
	c.mu.Unlock()

	// In any other state there is no wait to cut short, and gRPC reads what it changes itself: a crash, if rarely.
	if c.conn.GetState() == connectivity.TransientFailure {
		c.conn.ResetConnectBackoff()
	}

	c.conn.Connect()
}

// findOrStart returns the living server, or starts one: the previous one where the right one does not start, or is no
// longer asked for.
func (c *child) findOrStart(ctx, asked context.Context) (*os.File, error) {
	process, err := c.find()
	if err != nil {
		return nil, err
	}

	var refused error

	if process == nil {
		process, refused = c.startOwn(ctx, asked)

		previous := c.previous.Load()
		if refused != nil && (previous == nil || ctx.Err() != nil) {
			return nil, refused
		}

		if refused != nil {
			process, err = c.start(ctx, previous.Path())
		}

		if err != nil {
			return nil, errors.Join(refused, err)
		}
	}

	c.compare()

	c.mu.Lock()
	c.refused = refused
	c.mu.Unlock()

	return process, nil
}

// find returns the server that lives on the run directory, nil where there is none.
func (c *child) find() (*os.File, error) {
	pid, err := server.Holder(c.config.RunDir)
	if err != nil || pid == 0 {
		return nil, err
	}

	process, err := cgroup.Open(pid)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil //nolint:nilnil // it ended at this moment
	} else if err != nil {
		return nil, err
	}

	// The number may have been given to another process between the two calls.
	if again, err := server.Holder(c.config.RunDir); err != nil || again != pid {
		process.Close()

		return nil, err
	}

	return process, nil
}

// start starts the server of a path in a session of its own and returns once it answers.
func (c *child) start(ctx context.Context, path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(server.LogPath(c.config.RunDir)), 0o700); err != nil {
		return nil, fmt.Errorf("cannot start containerd: %w", err)
	}

	output, err := os.OpenFile(server.LogPath(c.config.RunDir), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start containerd: %w", err)
	}
	defer output.Close()

	ready, announce, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start containerd: %w", err)
	}
	defer ready.Close()

	command := exec.Command(path, c.config.Server[1:]...)
	command.Args[0] = c.config.Server[0]
	command.Dir = "/"
	command.Stdout, command.Stderr = output, output
	command.ExtraFiles = []*os.File{announce}
	command.Env = append(os.Environ(), server.ReadyVariable+"=3")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	err = command.Start()
	announce.Close()

	if err != nil {
		return nil, fmt.Errorf("cannot start containerd: %w", err)
	}

	process, err := cgroup.Open(command.Process.Pid)

	go func() { _ = command.Wait() }() // reaps it

	if err != nil {
		return nil, fmt.Errorf("cannot start containerd: %w", err)
	}

	parent := filepath.Join(c.config.CgroupParent, DaemonCgroup)
	if err := cgroup.Join(parent, command.Process.Pid); err != nil {
		c.config.Logger.Warn().Err(err).Msg("containerd stays in the cgroup of the daemon")
	}

	if err := awaitReady(ctx, ready); err != nil {
		// It may be too young to be found by its lock, and nobody else would ever end it.
		_ = cgroup.Signal(process, unix.SIGKILL)
		_ = cgroup.Ended(context.WithoutCancel(ctx), process)

		return nil, fmt.Errorf("cannot start containerd: %w; its log %q ends with: %s", err, server.LogPath(c.config.RunDir), c.lastLog())
	}

	return process, nil
}

// awaitReady blocks until the server says that it answers; its end closes the pipe.
func awaitReady(ctx context.Context, ready *os.File) error {
	stop := context.AfterFunc(ctx, func() { ready.Close() })
	defer stop()

	if count, _ := ready.Read(make([]byte, 1)); count == 1 {
		return nil
	}

	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	return errors.New("it ended before it answered")
}

// abandon stops keeping the server alive and lets it run.
func (c *child) abandon() {
	c.cancel()
	<-c.done
}

// stop ends the server: SIGTERM, and SIGKILL once the context ends.
func (c *child) stop(ctx context.Context) error {
	c.abandon()

	return c.end(ctx)
}

func (c *child) end(ctx context.Context) error {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		process, err := c.find()
		if err != nil || process == nil {
			return err
		}

		if err := cgroup.Signal(process, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			process.Close()

			return fmt.Errorf("cannot stop containerd: %w", err)
		}

		if cgroup.Ended(ctx, process) == nil {
			return nil
		}

		ctx = context.Background()
	}

	return nil
}

func (c *child) lastProblem() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.problem
}

// lastLog is the last line of the server's log.
func (c *child) lastLog() string {
	data, _ := os.ReadFile(server.LogPath(c.config.RunDir))
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")

	return lines[len(lines)-1]
}
