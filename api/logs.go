package api

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// logChunk is how much of a log goes into one message. With its envelope it fits into a buffer of 32 KiB, of which a client that
// does not read keeps several.
const logChunk = 31 << 10

// Logs implements extactor.v1.
func (e *extactorService) Logs(request *apiv1.LogsRequest, stream grpc.ServerStreamingServer[apiv1.LogPiece]) error {
	ctx := stream.Context()
	query := LogQuery{Tail: int(request.GetTail()), Follow: request.GetFollow(), Timestamps: request.GetTimestamps()}

	var err error

	if query.Since, err = e.server.timeOf(ctx, request.GetFrom()); err != nil {
		return err
	}

	if query.Until, err = e.server.timeOf(ctx, request.GetUntil()); err != nil {
		return err
	}

	if !query.Until.IsZero() && query.Since.After(query.Until) {
		return status.Error(codes.InvalidArgument, "the time from which on lines are wanted is after the one up to which they are")
	}

	return e.server.readLogs(ctx, request.GetIds(), query, func(text []byte) error { return stream.Send(&apiv1.LogPiece{Text: text}) })
}

// readLogs sends what is wanted of the logs of services, piece by piece.
func (s *Server) readLogs(ctx context.Context, services []string, query LogQuery, send func(text []byte) error) error {
	ids, err := s.withLogs(services)
	if err != nil {
		return err
	}

	reader, err := s.options.Logs.Open(ctx, ids, query)
	if err != nil {
		return failure(codes.Internal, err)
	}
	defer reader.Close()

	buffer := make([]byte, logChunk)

	for {
		n, err := reader.Read(buffer)
		if n > 0 {
			// gRPC has encoded the message when Send returns, so the buffer can be used again.
			if err := send(buffer[:n]); err != nil {
				return err
			}
		}

		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return failure(codes.Internal, err)
		}
	}
}

// withLogs finds services that have a log, each once.
func (s *Server) withLogs(services []string) (ids []string, err error) {
	for _, service := range services {
		id, err := s.recorded(service)

		switch {
		case err != nil:
			return nil, err
		case id == "":
			return nil, status.Error(codes.InvalidArgument, "no service is named whose log is wanted")
		case !strings.HasPrefix(id, prefix):
			return nil, status.Errorf(codes.FailedPrecondition, "there is no log of %q here: extactor keeps those of the services that it runs in containers", id)
		case !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}

	if len(ids) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no service is named whose log is wanted")
	}

	return ids, nil
}

// timeOf returns what the wall clock of this host showed at a point in time; zero where there is none.
func (s *Server) timeOf(ctx context.Context, point *apiv1.Point) (time.Time, error) {
	switch kind := point.GetKind().(type) {
	case nil:
		return time.Time{}, nil
	case *apiv1.Point_WallNs:
		return time.Unix(0, kind.WallNs), nil
	case *apiv1.Point_AgoNs:
		return time.Unix(0, s.wallAgo(ctx, kind.AgoNs)), nil
	}

	past, err := s.past(ctx)
	if err != nil {
		return time.Time{}, err
	}

	seq, err := s.within(ctx, past, point)
	if err != nil {
		return time.Time{}, err
	}

	at, err := written(ctx, past, seq)

	return time.Unix(0, at.WallNS), failure(codes.Internal, err)
}

// wallAgo returns what the wall clock showed so long ago. The journal tells: within this boot the clock may have jumped, and
// does, by decades, where a machine begins without the time. Where the journal cannot tell, it is taken not to have jumped.
func (s *Server) wallAgo(ctx context.Context, ago int64) int64 {
	now := s.options.Now()
	wall, boot := now.GetWallNs()-ago, now.GetBootNs()-ago

	if s.options.Past == nil {
		return wall
	}

	boots, err := s.options.Past.Boots(ctx)
	if err != nil || len(boots) == 0 || boots[len(boots)-1].ID != s.options.BootID {
		return wall
	}

	if began := boots[len(boots)-1].Began; boot < began.BootNS { // of this boot everything counts
		return min(wall, began.WallNS)
	}

	seq, err := s.options.Past.Before(ctx, events.Moment{WallNS: now.GetWallNs(), BootNS: now.GetBootNs()}, s.options.BootID, time.Duration(ago))
	if err != nil || seq == 0 {
		return wall
	}

	last, err := written(ctx, s.options.Past, seq)
	if err != nil {
		return wall
	}

	return last.WallNS + boot - last.BootNS
}

// written returns when a record was written, or, where that is gone, the one after it.
func written(ctx context.Context, past History, seq uint64) (at events.Moment, err error) {
	err = past.Each(ctx, seq-1, math.MaxInt64, func(record events.Record) bool {
		at = events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}

		return false
	})

	return at, err
}
