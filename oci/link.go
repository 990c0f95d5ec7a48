package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// versionTimeout limits how long a connection may take to answer its first question.
const versionTimeout = 5 * time.Second

func connect(address string, hangs *hangs, dials *dials, pause *pause) (*grpc.ClientConn, error) {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := hangs.dial(ctx, address)
		dials.note(address, err)

		return conn, err
	}

	return grpc.NewClient("unix://"+address,
		grpc.WithContextDialer(dial),
		grpc.WithChainUnaryInterceptor(pause.intercept, hangs.intercept),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: versionTimeout,
		}),
		grpc.WithIdleTimeout(0), // the connection itself tells that containerd is there
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20), grpc.MaxCallSendMsgSize(16<<20)),
	)
}

// dials remembers why the last attempt to connect failed.
type dials struct {
	mu      sync.Mutex
	problem error
}

// note says it in the words of the system, without those of Go's dialer.
func (d *dials) note(address string, err error) {
	if err != nil {
		err = fmt.Errorf("cannot connect to %s: %w", address, cause(err))
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	d.problem = err
}

func (d *dials) last() error {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.problem
}

// Link calls up each time the connection is established and down each time it is lost, until the context ends. While
// there is no connection, down is also called with each new reason why there is none. The calls come one after the other.
func (r *Runtime) Link(ctx context.Context, up func(address, version string), down func(problem error)) {
	missing := missing{down: down}

	for {
		version, ok := r.awaitConnection(ctx, &missing)
		if !ok {
			return
		}

		pauses := r.pause.ended()

		if !r.sweepOnce(ctx) { // before up, because then services are prepared
			r.awaitChange(ctx, connectivity.Ready)

			continue
		}

		r.asked.forget()
		up(r.config.Address, r.describe(ctx, version))

		// Any change away from Ready means that the connection was lost, even if another one is there by now.
		if !r.conn.WaitForStateChange(ctx, connectivity.Ready) {
			return
		}

		// One containerd that takes the place of another is no loss, but its version is another one.
		if r.pause.await(ctx); r.pause.ended() != pauses && r.Connected() {
			continue
		}

		missing = lost(down, r.linkProblem())
	}
}

// settleTime is for a containerd that is only being restarted: until then the loss is all there is to tell.
const settleTime = time.Second

// missing tells each reason why there is no connection once.
type missing struct {
	down  func(problem error)
	said  string
	quiet time.Time // nothing is told before
}

func lost(down func(problem error), problem error) missing {
	down(problem)

	return missing{down: down, said: problem.Error(), quiet: time.Now().Add(settleTime)}
}

func (m *missing) tell(problem error) {
	if problem == nil || problem.Error() == m.said || time.Now().Before(m.quiet) {
		return
	}

	m.said = problem.Error()
	m.down(problem)
}

// awaitConnection returns containerd's version once it answers.
func (r *Runtime) awaitConnection(ctx context.Context, missing *missing) (string, bool) {
	for {
		r.conn.Connect()

		state := r.conn.GetState()

		switch state {
		case connectivity.Ready:
			version, err := r.version(ctx)
			if err == nil {
				r.hangs.answered()

				return version, true
			}

			if ctx.Err() == nil {
				r.config.Logger.Warn().Err(err).Msg("containerd does not answer")
				missing.tell(fmt.Errorf("containerd at %s does not answer", r.config.Address))
			}
		case connectivity.TransientFailure:
			missing.tell(r.absence())
		}

		// A connection that stays open but gave no answer is asked again.
		r.awaitChange(ctx, state)

		if ctx.Err() != nil {
			return "", false
		}
	}
}

// awaitChange waits until the connection is in another state, but not for long.
func (r *Runtime) awaitChange(ctx context.Context, state connectivity.State) {
	limit, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()

	r.conn.WaitForStateChange(limit, state)
}

// absence is why a connection could not be made. That our own containerd is not there yet is no news, only that it cannot
// be started is.
func (r *Runtime) absence() error {
	if r.child != nil {
		return r.child.lastProblem()
	}

	return r.dials.last()
}

func (r *Runtime) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()

	version, err := r.client.Version(r.namespaced(ctx))

	// The embedded server is built from modules, not from a tag of containerd's repository, which it says so.
	return strings.TrimSuffix(version.Version, "+unknown"), err
}

func (r *Runtime) linkProblem() error {
	if r.child != nil {
		if problem := r.child.lastProblem(); problem != nil {
			return problem
		}
	}

	problem := r.hangs.lastProblem()
	if problem == nil {
		problem = errDisconnected
	}

	return fmt.Errorf("connection to containerd at %q was lost: %w", r.config.Address, problem)
}

var errDisconnected = errors.New("disconnected")
