package api

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// calls counts those that are open over the network, by the certificates of who makes them: addresses are cheap.
type calls struct {
	most, mostOfOne int

	mu             sync.Mutex
	open           int
	perCertificate map[string]int
}

func newCalls(limits limits) *calls {
	return &calls{most: limits.calls, mostOfOne: limits.callsOfOne, perCertificate: map[string]int{}}
}

// admit counts a call until the client gives it up, or it ends. It is counted before anything of its request is read,
// because it is requests that take memory.
func (c *calls) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	end, err := c.begin(ctx)
	if err == nil {
		context.AfterFunc(ctx, end)
	}

	return ctx, err
}

// begin counts one more call, if there may be one, until end is called.
func (c *calls) begin(ctx context.Context) (end func(), err error) {
	caller, _ := remoteCaller(ctx)
	certificate := caller.fingerprint

	c.mu.Lock()
	defer c.mu.Unlock()

	switch {
	case c.open >= c.most:
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls are open over the network, and more may not be", c.open)
	case c.perCertificate[certificate] >= c.mostOfOne:
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls are open by the certificate %s, and more may not be", c.perCertificate[certificate], certificate)
	}

	c.open++
	c.perCertificate[certificate]++

	return func() { c.end(certificate) }, nil
}

func (c *calls) end(certificate string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.open--

	if c.perCertificate[certificate]--; c.perCertificate[certificate] == 0 {
		delete(c.perCertificate, certificate)
	}
}
