package api

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// mostRecords bounds what is read of the journal at once; who wants more follows from the beginning.
const mostRecords = 1000

// reading is one client's way through the journal.
type reading struct {
	service string // empty: all services and the daemon itself
	tail    int    // begin with this many of the last records; negative: all
	since   uint64 // only records after this sequence, if not 0
	follow  bool
}

// Events implements extactor.v1.
func (e *extactorService) Events(request *apiv1.EventsRequest, stream grpc.ServerStreamingServer[apiv1.EventRecord]) error {
	if filtered(request) && !request.GetFacts() {
		return e.server.filter(stream.Context(), request, stream.Send)
	}

	service, err := e.server.recorded(request.GetService())
	if err != nil {
		return err
	}

	if request.GetFacts() {
		return e.server.history(stream.Context(), request, service, stream.Send)
	}

	if e.server.options.Past != nil && many(request) {
		if request.GetSince() != 0 {
			request.Tail = -1
		}

		return e.server.filter(stream.Context(), request, stream.Send)
	}

	reading := reading{service: service, tail: int(request.GetTail()), since: request.GetSince(), follow: request.GetFollow()}

	records, after, err := e.server.begin(reading)
	if err != nil {
		return err
	}

	return e.server.play(stream.Context(), reading, records, after, func(record events.Record) error {
		return stream.Send(eventRecord(record))
	})
}

// recorded finds a service which is known, or of which the journal still has records.
func (s *Server) recorded(id string) (string, error) {
	if id == "" {
		return "", nil
	}

	view, unknown := s.view(id)
	if unknown == nil {
		return view.ID, nil
	}

	for _, candidate := range candidates(id) {
		records, err := s.options.Journal.Tail(candidate, 1)
		if err != nil {
			return "", failure(codes.Internal, err)
		}

		if len(records) > 0 {
			return candidate, nil
		}
	}

	return "", unknown
}

// begin returns the records to begin with, and the sequence after which new ones follow: nothing that is written from
// now on is missed.
func (s *Server) begin(reading reading) ([]events.Record, uint64, error) {
	if reading.since != 0 && reading.follow {
		return nil, reading.since, nil
	}

	end, err := s.newest()
	if err != nil {
		return nil, 0, err
	}

	tail := reading.tail
	if tail < 0 || tail > mostRecords || reading.since != 0 {
		tail = mostRecords
	}

	if tail == 0 {
		return nil, end, nil
	}

	records, err := s.options.Journal.Tail(reading.service, tail)
	if err != nil {
		return nil, 0, failure(codes.Internal, err)
	}

	if len(records) > 0 {
		end = max(end, records[len(records)-1].Seq)
	}

	return slices.DeleteFunc(records, func(record events.Record) bool { return record.Seq <= reading.since }), end, nil
}

// play sends the records to begin with and, where asked for, those that follow until the context ends.
func (s *Server) play(ctx context.Context, reading reading, records []events.Record, after uint64, send func(events.Record) error) error {
	for _, record := range records {
		if err := send(record); err != nil {
			return err
		}
	}

	if !reading.follow {
		return nil
	}

	subscription := s.options.Journal.Subscribe(after)
	defer subscription.Close()

	for {
		record, err := subscription.Next(ctx)
		if err != nil {
			return failure(codes.Internal, err)
		}

		if record.Message == "" || reading.service != "" && record.Service != reading.service {
			continue
		}

		if err := send(record); err != nil {
			return err
		}
	}
}
