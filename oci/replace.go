package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/program"
	"github.com/extactor/extactor/oci/server"
)

const (
	pauseTimeout    = 10 * time.Second // for calls under way to end
	exchangeTimeout = 10 * time.Second // for a server to end before it is killed, and for the connection to its successor
	answerTimeout   = 30 * time.Second // for the successor to answer; else its predecessor is started again
)

// replacement is one call of Replace.
type replacement struct {
	ctx  context.Context
	done chan<- error // room for one
}

// Outdated returns the version of an embedded containerd that is another program than that of this daemon; ok is false
// where it is not, and where containerd is the host's.
func (r *Runtime) Outdated() (version string, ok bool) {
	if r.child == nil {
		return "", false
	}

	return r.child.outdated()
}

// Replace ends an embedded containerd that is another program than that of this daemon, and starts its own. Tasks, and
// waits for them, go on; calls wait until it is done. Where the new one does not start the other one is started again,
// and the error says why. It is not begun while calls are under way that do not end within 10 s.
func (r *Runtime) Replace(ctx context.Context) error {
	if _, outdated := r.Outdated(); !outdated {
		return nil
	}

	limit, cancel := context.WithTimeout(ctx, pauseTimeout)
	defer cancel()

	resume, err := r.pause.begin(limit)
	if err != nil {
		return fmt.Errorf("cannot replace containerd: %w", err)
	}

	defer func() { resume(r.awaitReady(ctx)) }()

	done := make(chan error, 1)

	select {
	case r.child.replaces <- replacement{ctx, done}:
		err = <-done
	case <-r.child.done:
		err = errors.New("it is left to the next daemon")
	case <-limit.Done():
		err = errors.New("it is not running")
	}

	if err != nil {
		return fmt.Errorf("cannot replace containerd: %w", err)
	}

	return nil
}

// awaitReady waits until there is a connection, and tells whether there is.
func (r *Runtime) awaitReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()

	for r.child.lastProblem() == nil {
		state := r.conn.GetState()
		if state == connectivity.Ready {
			return true
		}

		r.conn.Connect()

		if !r.conn.WaitForStateChange(ctx, state) {
			return false
		}
	}

	return false
}

// describe adds to containerd's version that of the extactor it belongs to, where that is another one.
func (r *Runtime) describe(ctx context.Context, version string) string {
	if r.child != nil {
		select {
		case <-r.child.compared:
		case <-ctx.Done():
		}
	}

	running, outdated := r.Outdated()
	if !outdated {
		return version
	}

	if refused := r.child.lastRefusal(); refused != nil {
		return fmt.Sprintf("%s (of %s: %v)", version, program.Described(running, r.config.Version), refused)
	}

	return fmt.Sprintf("%s (of %s)", version, program.Described(running, r.config.Version))
}

// await returns when the server has ended, or what waits for a replacement that was asked for. An error means neither.
func (c *child) await(ctx context.Context, process *os.File) (asked *replacement, err error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()

	ended := make(chan error, 1)

	go func() { ended <- cgroup.Ended(waiting, process) }()

	select {
	case err := <-ended:
		return nil, err
	case asked := <-c.replaces:
		stop()
		<-ended

		return &asked, nil
	}
}

// exchange ends the server that is another program and starts the right one. Where nobody asks for it any more, because
// the daemon leaves, the other one is started again: the next daemon finds it.
func (c *child) exchange(ctx, asked context.Context) (*os.File, error) {
	limit, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()

	if err := c.end(limit); err != nil {
		return nil, err
	}

	return c.findOrStart(ctx, asked)
}

// startOwn starts the server of the configuration. Where there is another one to fall back on it is not given all the time
// that it wants.
func (c *child) startOwn(ctx, asked context.Context) (*os.File, error) {
	if c.previous.Load() == nil {
		return c.start(ctx, c.config.Server[0])
	}

	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer context.AfterFunc(asked, func() { giveUp(context.Cause(asked)) })()

	limit, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("it has not answered for %v", answerTimeout))
	defer cancel()

	return c.start(limit, c.config.Server[0])
}

// compare keeps the program of a server that is not that of the configuration, so that it can be started again.
func (c *child) compare() {
	pid, err := server.Holder(c.config.RunDir)
	if err != nil || pid == 0 {
		return // it has ended since, which is seen in a moment
	}

	running, err := program.Of(pid)
	if err != nil {
		return
	}

	same, err := running.Is(c.config.Server[0])
	if err != nil {
		c.config.Logger.Warn().Err(err).Msg("containerd may be of another version")
	}

	if same || err != nil {
		running.Close()
		running = nil
	}

	c.keepProgram(running)
}

func (c *child) keepProgram(running *program.Program) {
	if before := c.previous.Swap(running); before != nil {
		before.Close()
	}
}

func (c *child) outdated() (version string, ok bool) {
	if c.previous.Load() == nil {
		return "", false
	}

	return server.Version(c.config.RunDir), true
}

// lastRefusal is why the right server did not start where another one was started instead.
func (c *child) lastRefusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.refused
}
