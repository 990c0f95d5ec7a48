package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// versionTimeout limits how long a connection may take to answer its first question.
const versionTimeout = 5 * time.Second

func connect(address string, hangs *hangs) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+address,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return hangs.dial(ctx, address) }),
		grpc.WithUnaryInterceptor(hangs.intercept),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: versionTimeout,
		}),
		grpc.WithIdleTimeout(0), // the connection itself tells that containerd is there
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20), grpc.MaxCallSendMsgSize(16<<20)),
	)
}

// Link calls up each time the connection is established and down each time it is lost, until the context ends. The
// calls come one after the other.
func (r *Runtime) Link(ctx context.Context, up func(address, version string), down func(problem error)) {
	for {
		version, ok := r.awaitConnection(ctx)
		if !ok {
			return
		}

		up(r.config.Address, version)

		// Any change away from Ready means that the connection was lost, even if another one is there by now.
		if !r.conn.WaitForStateChange(ctx, connectivity.Ready) {
			return
		}

		down(r.linkProblem())
	}
}

// awaitConnection returns containerd's version once it answers.
func (r *Runtime) awaitConnection(ctx context.Context) (string, bool) {
	for {
		r.conn.Connect()

		state := r.conn.GetState()
		if state == connectivity.Ready {
			version, err := r.version(ctx)
			if err == nil {
				r.hangs.answered()

				return version, true
			}

			r.config.Logger.Warn().Err(err).Msg("containerd does not answer")
		}

		// A connection that stays open but gave no answer is asked again.
		limit, cancel := context.WithTimeout(ctx, versionTimeout)
		r.conn.WaitForStateChange(limit, state)
		cancel()

		if ctx.Err() != nil {
			return "", false
		}
	}
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
