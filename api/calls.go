package api

import (
	"context"
	"net/netip"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// calls counts those that are open over the network, by where they come from.
type calls struct {
	most, mostOfOne int

	mu       sync.Mutex
	open     int
	perPlace map[netip.Addr]int
}

func newCalls(limits limits) *calls {
	return &calls{most: limits.calls, mostOfOne: limits.callsOfOne, perPlace: map[netip.Addr]int{}}
}

// admit is gRPC's tap, which must not block: it counts a call before anything of its request is read, because it is requests
// that take memory.
func (c *calls) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	end, err := c.begin(ctx)
	if err == nil {
		context.AfterFunc(ctx, end)
	}

	return ctx, err
}

// begin counts one more call, if there may be one, until end is called.
func (c *calls) begin(ctx context.Context) (end func(), err error) {
	var from netip.Addr
	if caller, ok := peer.FromContext(ctx); ok {
		from = place(caller.Addr)
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	switch {
	case c.open >= c.most:
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls are open over the network, and more may not be", c.open)
	case c.perPlace[from] >= c.mostOfOne:
		return nil, status.Errorf(codes.ResourceExhausted, "%d calls are open from %s, and more may not be", c.perPlace[from], from)
	}

	c.open++
	c.perPlace[from]++

	return func() { c.end(from) }, nil
}

func (c *calls) end(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.open--

	if c.perPlace[from]--; c.perPlace[from] == 0 {
		delete(c.perPlace, from)
	}
}
