package api

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// history sends every event after a sequence, or of a boot, with its content, up to the newest one with a text, or on and on.
func (s *Server) history(ctx context.Context, request *apiv1.EventsRequest, service string, send func(*apiv1.EventRecord) error) error {
	after := request.GetSince()

	end, err := s.newest()
	if err != nil {
		return err
	}

	if name := request.GetBoot(); name != "" {
		past, err := s.past(ctx)
		if err != nil {
			return err
		}

		boot, err := FindBoot(ctx, past, name)
		if err != nil {
			return err
		}

		request.BootId, after, end = boot.ID, max(after, boot.First-1), min(end, boot.Last)
	}

	wants := func(record events.Record) bool { return asked(request, service, record) }
	take := func(record events.Record) error {
		converted, err := factRecord(record)
		if err != nil {
			return failure(codes.Internal, err)
		}

		return send(converted)
	}

	if past, err := s.past(ctx); err == nil && !request.GetFollow() {
		return forward(after, end, each(ctx, past), wants, take)
	}

	subscription := s.options.Journal.Subscribe(after)
	defer subscription.Close()

	for seq := after; request.GetFollow() || seq < end; {
		record, err := subscription.Next(ctx)
		if err != nil {
			return failure(codes.Internal, err)
		}

		if seq = record.Seq; seq > end && !request.GetFollow() {
			return nil
		}

		if !wants(record) {
			continue
		}

		if err := take(record); err != nil {
			return err
		}
	}

	return nil
}

// asked tells whether a record is one of those that history was asked for. Commands are not.
func asked(request *apiv1.EventsRequest, service string, record events.Record) bool {
	return (record.Event != nil || record.Message != "") &&
		(service == "" || record.Service == service) &&
		(request.GetBootId() == "" || record.BootID == request.GetBootId())
}

func factRecord(record events.Record) (*apiv1.EventRecord, error) {
	converted := eventRecord(record)

	if record.Event != nil {
		content, err := proto.Marshal(record.Event)
		if err != nil {
			return nil, fmt.Errorf("cannot send event %d: %w", record.Seq, err)
		}

		converted.Event = content
	}

	return converted, nil
}

// newest is the sequence of the newest record with a text: it is there, so reading up to it never waits.
func (s *Server) newest() (uint64, error) {
	last, err := s.options.Journal.Tail("", 1)
	if err != nil {
		return 0, failure(codes.Internal, err)
	}

	if len(last) == 0 {
		return 0, nil
	}

	return last[0].Seq, nil
}
