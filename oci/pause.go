package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// pause holds up calls while one containerd takes the place of another, so that nobody notices. Calls that wait for the
// end of a process are made again: what they wait for goes on. The zero value is ready.
type pause struct {
	mu    sync.Mutex
	calls int           // under way, without those that wait
	idle  chan struct{} // closed, and forgotten, when the last of them ends; nil where nobody waits for that
	over  chan struct{} // closed at the end of the pause; nil where there is none
	count int           // pauses that ended with a connection
}

// waits tells whether a call lasts for as long as a process.
func waits(method string) bool { return strings.HasSuffix(method, ".Tasks/Wait") }

// intercept lets the question whether containerd answers pass: the pause depends on it.
func (p *pause) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if method == versionMethod {
		return invoke(ctx, method, request, reply, conn, options...)
	}

	for {
		leave, err := p.enter(ctx, waits(method))
		if err != nil {
			return err
		}

		before := p.ended()
		err = invoke(ctx, method, request, reply, conn, options...)

		leave()

		if err == nil || !waits(method) || !p.broke(ctx, before) {
			return err
		}
	}
}

// enter waits for the end of a pause, and counts the call.
func (p *pause) enter(ctx context.Context, waits bool) (leave func(), err error) {
	for {
		p.mu.Lock()

		over := p.over
		if over == nil {
			break
		}

		p.mu.Unlock()

		select {
		case <-over:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}

	defer p.mu.Unlock()

	if waits {
		return func() {}, nil
	}

	p.calls++

	return p.leave, nil
}

func (p *pause) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.calls--
	if p.calls == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

func (p *pause) ended() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.count
}

// broke tells whether a call that failed was broken by a pause since, and can be made again by now.
func (p *pause) broke(ctx context.Context, before int) bool {
	p.await(ctx)

	return ctx.Err() == nil && p.ended() != before
}

// await waits for the end of the pause, if there is one, or of the context.
func (p *pause) await(ctx context.Context) {
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()

	if over == nil {
		return
	}

	select {
	case <-over:
	case <-ctx.Done():
	}
}

// begin begins a pause at a moment when no call is under way. It must be ended by resume, which is told whether there is
// a connection again.
func (p *pause) begin(ctx context.Context) (resume func(connected bool), err error) {
	for {
		p.mu.Lock()

		switch {
		case p.over != nil:
			p.mu.Unlock()

			return nil, errors.New("it is being replaced")
		case p.calls == 0:
			p.over = make(chan struct{})
			p.mu.Unlock()

			return p.end, nil
		}

		if p.idle == nil {
			p.idle = make(chan struct{})
		}

		idle, calls := p.idle, p.calls
		p.mu.Unlock()

		select {
		case <-idle:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d calls are under way", calls)
		}
	}
}

func (p *pause) end(connected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if connected {
		p.count++
	}

	close(p.over)
	p.over = nil
}
