package api

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// history sends every event after a sequence with its content, up to the newest one with a text, or on and on.
func (s *Server) history(ctx context.Context, request *apiv1.EventsRequest, service string, send func(*apiv1.EventRecord) error) error {
	end, err := s.newest()
	if err != nil {
		return err
	}

	subscription := s.options.Journal.Subscribe(request.GetSince())
	defer subscription.Close()

	for seq := request.GetSince(); request.GetFollow() || seq < end; {
		record, err := subscription.Next(ctx)
		if err != nil {
			return failure(codes.Internal, err)
		}

		seq = record.Seq
		if seq > end && !request.GetFollow() {
			return nil
		}

		if !asked(request, service, record) {
			continue
		}

		converted, err := factRecord(record)
		if err != nil {
			return failure(codes.Internal, err)
		}

		if err := send(converted); err != nil {
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
