package api

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/tap"
)

// arrivalKey leads to the timer of a call whose request has not arrived yet as a whole.
type arrivalKey struct{}

// tap is called before anything of a request is read, and must not block. Until the request is there the call counts, and
// takes as much memory as the client has sent of it: not for as long as the client likes.
func (g *guard) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	ctx, err := g.open.admit(ctx, info)
	if err != nil {
		return ctx, err
	}

	caller, _ := remoteCaller(ctx)
	method := info.FullMethodName

	ctx, end := context.WithCancel(ctx)
	late := time.AfterFunc(g.limits.arrival, func() {
		g.reports.refuse(caller.guest.RemoteAddr(), "late "+method,
			fmt.Sprintf("%s was ended, because its request did not arrive within %v", shortened(method, longestShown), g.limits.arrival))
		end()
	})
	context.AfterFunc(ctx, func() { late.Stop() })

	return context.WithValue(ctx, arrivalKey{}, late), nil
}

// arrived is told that the request of a call is there, or the first message of a stream.
func arrived(ctx context.Context) {
	if late, ok := ctx.Value(arrivalKey{}).(*time.Timer); ok {
		late.Stop()
	}
}
