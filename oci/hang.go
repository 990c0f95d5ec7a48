package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/containerd/containerd/api/services/version/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// hangInterval is how often containerd is asked whether it still answers, while a call is under way. A call that waits
// for a task may well take for ever, so that only this tells it from one that nobody will answer. Pings of the protocol
// would not do: containerd closes the connection to a client that sends them more than once in five minutes.
const hangInterval = 15 * time.Second

// versionMethod is the question.
const versionMethod = "/containerd.services.version.v1.Version/Version"

// hangs notices a containerd that keeps its connection and answers nothing, and closes the connection: the rest follows
// as for any other that is lost.
type hangs struct {
	interval, timeout time.Duration

	mu      sync.Mutex
	calls   int // under way
	timer   *time.Timer
	open    map[*watchedConn]bool
	problem error // why connections were closed
}

func newHangs(interval, timeout time.Duration) *hangs {
	return &hangs{interval: interval, timeout: timeout, open: make(map[*watchedConn]bool)}
}

// intercept counts the calls under way. The question itself does not count: it would go on for ever.
func (h *hangs) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if method != versionMethod {
		h.begin(conn)
		defer h.end()
	}

	return invoke(ctx, method, request, reply, conn, options...)
}

func (h *hangs) begin(conn *grpc.ClientConn) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.calls++
	if h.calls > 1 {
		return
	}

	if h.timer == nil {
		h.timer = time.AfterFunc(h.interval, func() { h.check(conn) })
	} else {
		h.timer.Reset(h.interval)
	}
}

func (h *hangs) end() {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.calls--
	if h.calls == 0 {
		h.timer.Stop()
	}
}

func (h *hangs) check(conn *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(context.Background(), h.timeout)
	_, err := version.NewVersionClient(conn).Version(ctx, &emptypb.Empty{})

	cancel()

	h.mu.Lock()
	defer h.mu.Unlock()

	if status.Code(err) == codes.DeadlineExceeded {
		h.problem = fmt.Errorf("it has not answered for %v", h.timeout)

		for open := range h.open {
			_ = open.Conn.Close()
		}
	}

	if h.calls > 0 {
		h.timer.Reset(h.interval)
	}
}

// lastProblem returns why connections were closed since containerd answered, nil where they were not.
func (h *hangs) lastProblem() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.problem
}

// answered forgets the problem.
func (h *hangs) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.problem = nil
}

// dial connects to the unix socket and remembers the connection until it is closed.
func (h *hangs) dial(ctx context.Context, path string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}

	watched := &watchedConn{Conn: conn, hangs: h}

	h.mu.Lock()
	h.open[watched] = true
	h.mu.Unlock()

	return watched, nil
}

// watchedConn is a connection that can be closed from outside.
type watchedConn struct {
	net.Conn
	hangs *hangs
}

func (c *watchedConn) Close() error {
	c.hangs.mu.Lock()
	delete(c.hangs.open, c)
	c.hangs.mu.Unlock()

	err := c.Conn.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil // by check
	}

	return err
}
