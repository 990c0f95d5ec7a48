package api

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// guard decides about each call from the network.
type guard struct {
	limits  limits
	reports *reports
	trust   trust
	open    *calls // that clients have not given up
	running *calls // that are being answered: a client may give up a call, and begin others, while its answer is still made
}

// admit decides who may call what, and on which node.
func (g *guard) admit(ctx context.Context, method string) error {
	caller, ok := remoteCaller(ctx)
	if !ok {
		return status.Error(codes.PermissionDenied, "cannot tell who is calling")
	}

	if err := g.trust.check(caller); err != nil {
		return g.refused(ctx, "trust", err)
	}

	if err := allow(caller.roles, method); err != nil {
		return g.refused(ctx, "role "+method, err)
	}

	return g.refused(ctx, "node", caller.checkNode(ctx))
}

// refused tells of a call that is denied, or of a client that would not be let in now.
func (g *guard) refused(ctx context.Context, cause string, err error) error {
	denied := status.Code(err) == codes.PermissionDenied || status.Code(err) == codes.Unauthenticated
	if caller, ok := peer.FromContext(ctx); ok && denied {
		g.reports.refuse(caller.Addr, cause, status.Convert(err).Message())
	}

	return err
}

func (g *guard) admitCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	arrived(ctx)

	if err := g.admit(ctx, info.FullMethod); err != nil {
		return nil, err
	}

	end, err := g.running.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()

	reply, err := handle(ctx, request)
	if err != nil {
		return nil, err
	}

	caller, _ := remoteCaller(ctx)
	most := caller.guest.mayOwe()
	if answered, since := caller.guest.unread.answer(sizeOf(reply), most); !answered {
		return nil, g.unread(caller.guest, info.FullMethod, most, since)
	}

	return reply, nil
}

// unread refuses a client that has left too much unread. Who has done so for long, or has given up calls before it read what
// they were answered, has to connect anew.
func (g *guard) unread(guest *guest, method string, most int, since time.Time) error {
	reason := fmt.Sprintf("%s was not answered, because the client has not read %d KiB of answers before", method, most>>10)
	g.reports.refuse(guest.RemoteAddr(), "unread", reason)

	if time.Since(since) > g.limits.stall {
		guest.Close()
	}

	return status.Error(codes.ResourceExhausted, reason)
}

func sizeOf(message any) int {
	sized, _ := message.(proto.Message) // nil has no size

	return proto.Size(sized)
}

func (g *guard) admitStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := g.admit(stream.Context(), info.FullMethod); err != nil {
		return err
	}

	end, err := g.running.begin(stream.Context())
	if err != nil {
		return err
	}
	defer end()

	return handle(service, stream)
}

// endStream ends a stream whose client does not take the next message in time, or would not be let in any more. The handler
// may be inside Send, which nothing but the end of the stream ends: therefore it runs beside, and is told when this returns.
func (g *guard) endStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	caller, _ := remoteCaller(stream.Context())

	most := caller.guest.mayOwe()
	if opened, since := caller.guest.unread.open(most); !opened {
		return g.unread(caller.guest, info.FullMethod, most, since)
	}
	defer caller.guest.unread.shut()

	timed := newTimedStream(stream, g.limits.stall, &caller.guest.unread)
	defer timed.end()

	done := make(chan error, 1)

	go func() {
		var err error
		defer func() { done <- err }()
		defer recovered(info.FullMethod, &err)

		err = handle(service, timed)
	}()

	look := time.NewTicker(g.limits.look)
	defer look.Stop()

	for {
		select {
		case err := <-done:
			return err
		case <-look.C:
			if err := g.trust.check(caller); err != nil {
				return g.refused(stream.Context(), "trust", err)
			}
		case <-timed.stalled:
			return g.stalled(stream.Context(), info.FullMethod)
		}
	}
}

// stalled tells of a stream whose client does not read.
func (g *guard) stalled(ctx context.Context, method string) error {
	reason := fmt.Sprintf("%s was ended, because the client did not read for %v", method, g.limits.stall)
	if caller, ok := peer.FromContext(ctx); ok {
		g.reports.refuse(caller.Addr, "stalled "+method, reason)
	}

	return status.Error(codes.ResourceExhausted, reason)
}

// timedStream is a stream that tells when a message takes too long to be sent.
type timedStream struct {
	grpc.ServerStream
	ctx     context.Context
	end     context.CancelFunc
	limit   time.Duration
	unread  *debt
	stalled chan struct{}
	tell    func()
}

func newTimedStream(stream grpc.ServerStream, limit time.Duration, unread *debt) *timedStream {
	timed := &timedStream{ServerStream: stream, limit: limit, unread: unread, stalled: make(chan struct{})}
	timed.ctx, timed.end = context.WithCancel(stream.Context())
	timed.tell = sync.OnceFunc(func() { close(timed.stalled) })

	return timed
}

// Context implements grpc.ServerStream.
func (s *timedStream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *timedStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil {
		arrived(s.ctx)
	}

	return err
}

// SendMsg implements grpc.ServerStream.
func (s *timedStream) SendMsg(message any) error {
	defer time.AfterFunc(s.limit, s.tell).Stop()

	s.unread.send(sizeOf(message))

	return s.ServerStream.SendMsg(message)
}
