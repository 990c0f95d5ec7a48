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

// calls counts those that are open over the network. They are counted before anything of a request is read, because it is
// requests that take memory.
type calls struct {
	most, mostOfOne int

	mu       sync.Mutex
	open     int
	perPlace map[netip.Addr]int
}

func newCalls(limits limits) *calls {
	return &calls{most: limits.calls, mostOfOne: limits.callsOfOne, perPlace: map[netip.Addr]int{}}
}

// admit is gRPC's tap: it must not block.
func (c *calls) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	var from netip.Addr
	if caller, ok := peer.FromContext(ctx); ok {
		from = place(caller.Addr)
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	switch {
	case c.open >= c.most:
		return ctx, status.Errorf(codes.ResourceExhausted, "%d calls are open over the network, and more may not be", c.open)
	case c.perPlace[from] >= c.mostOfOne:
		return ctx, status.Errorf(codes.ResourceExhausted, "%d calls are open from %s, and more may not be", c.perPlace[from], from)
	}

	c.open++
	c.perPlace[from]++

	context.AfterFunc(ctx, func() { c.end(from) })

	return ctx, nil
}

func (c *calls) end(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.open--

	if c.perPlace[from]--; c.perPlace[from] == 0 {
		delete(c.perPlace, from)
	}
}
