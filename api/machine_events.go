package api

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/rs/xid"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/extactor/extactor/events"
)

// Events implements machine.MachineService: each record of a service as a ServiceStateEvent, first an empty event which
// says that the stream has begun. Of several ways to say where to begin, Talos's order decides.
func (m *machineService) Events(request *machine.EventsRequest, stream grpc.ServerStreamingServer[machine.Event]) error {
	ctx := stream.Context()

	after, err := m.server.startAfter(ctx, request)
	if err != nil {
		return err
	}

	// Before the empty event: what is written once the client has it, is sent.
	subscription := m.server.options.Journal.Subscribe(after)
	defer subscription.Close()

	if err := stream.Send(&machine.Event{}); err != nil {
		return err
	}

	for {
		record, err := subscription.Next(ctx)
		if err != nil {
			return failure(codes.Internal, err)
		}

		// An actor is a call to Talos that makes a sequence of its own happen; no event here has one.
		if !ofService(record) || request.GetWithActorId() != "" {
			continue
		}

		event, err := stateEvent(record)
		if err != nil {
			return failure(codes.Internal, err)
		}

		if err := stream.Send(event); err != nil {
			return err
		}
	}
}

// ofService tells whether a record is an event in Talos's sense.
func ofService(record events.Record) bool { return record.Service != "" && record.Message != "" }

// startAfter returns the sequence after which the events are that are asked for.
func (s *Server) startAfter(ctx context.Context, request *machine.EventsRequest) (after uint64, err error) {
	tail, id, seconds := int(request.GetTailEvents()), request.GetTailId(), request.GetTailSeconds()
	if tail < 0 {
		return 0, nil
	}

	if tail == 0 && id == "" && seconds <= 0 {
		return s.newest()
	}

	past, err := s.past(ctx)
	if err != nil {
		return 0, err
	}

	switch {
	case tail > 0:
		err = past.Select(ctx, events.Selection{}, func(record events.Record) bool {
			if ofService(record) {
				after = record.Seq - 1
				tail--
			}

			return tail > 0
		})
		if tail > 0 {
			after = 0
		}
	case id != "":
		return afterEvent(ctx, past, id)
	default:
		now := s.options.Now()
		after, err = past.Before(ctx, events.Moment{WallNS: now.GetWallNs(), BootNS: now.GetBootNs()}, s.options.BootID,
			time.Duration(seconds)*time.Second)
	}

	return after, failure(codes.Internal, err)
}

// afterEvent finds the event with which a client goes on, and makes sure that nothing which came after it is gone. Talos
// compares ids by their time where it does not know one, and so may leave events out without a word.
func afterEvent(ctx context.Context, past History, text string) (uint64, error) {
	id, err := xid.FromString(text)
	if err != nil {
		return 0, status.Errorf(codes.InvalidArgument, "cannot read event id %q: %v", excerpt(text), err)
	}

	const advice = "ask for all that there are (tail_events -1), or for those of some time (tail_seconds)"

	newest, err := past.Newest(ctx, math.MaxInt64)
	if err != nil {
		return 0, failure(codes.Internal, err)
	}

	complete, err := past.Floor(ctx)
	if err != nil {
		return 0, failure(codes.Unavailable, err)
	}

	seq, found := sequence(id), false

	if seq > 0 && seq <= newest {
		if seq+1 < complete {
			return 0, status.Errorf(codes.OutOfRange, "some of the events after %s are no longer kept; %s", text, advice)
		}

		err = past.Each(ctx, seq-1, seq, func(record events.Record) bool {
			found = eventID(record) == id

			return false
		})
		if err != nil {
			return 0, failure(codes.Internal, err)
		}
	}

	if !found {
		return 0, status.Errorf(codes.NotFound, "no event of this node has the id %s; %s", text, advice)
	}

	return seq, nil
}

// typeURL is how Talos's client knows its own messages.
const typeURL = "talos/runtime/machine.ServiceStateEvent"

func stateEvent(record events.Record) (*machine.Event, error) {
	data, err := proto.Marshal(&machine.ServiceStateEvent{
		Service: record.Service, Action: action(record.State), Message: record.Message,
		Health: &machine.ServiceHealth{Unknown: true},
	})
	if err != nil {
		return nil, err
	}

	return &machine.Event{Data: &anypb.Any{TypeUrl: typeURL, Value: data}, Id: eventID(record).String()}, nil
}

func action(state string) machine.ServiceStateEvent_Action {
	switch state {
	case events.StateWaiting:
		return machine.ServiceStateEvent_WAITING
	case events.StatePreparing:
		return machine.ServiceStateEvent_PREPARING
	case events.StateRunning:
		return machine.ServiceStateEvent_RUNNING
	case events.StateStopping:
		return machine.ServiceStateEvent_STOPPING
	case events.StateFinished:
		return machine.ServiceStateEvent_FINISHED
	case events.StateFailed:
		return machine.ServiceStateEvent_FAILED
	case events.StateSkipped:
		return machine.ServiceStateEvent_SKIPPED
	default:
		return machine.ServiceStateEvent_INITIALIZED
	}
}

// eventID makes an xid of a record: its second, as in every xid, then its sequence and the fraction of the second where
// others have machine, process and counter. The same record has the same id for ever, and a client that was cut off can go
// on after it. The whole time is in it so that a record which was lost, with a disk that was full, is not taken for another
// that has its sequence now.
func eventID(record events.Record) xid.ID {
	var id xid.ID

	fraction := record.WallNS % int64(time.Second) << fractionBits / int64(time.Second)

	binary.BigEndian.PutUint32(id[:4], uint32(record.WallNS/int64(time.Second)))
	binary.BigEndian.PutUint64(id[4:], record.Seq<<fractionBits|uint64(fraction)) // no journal has 2^48 records

	return id
}

const fractionBits = 16

func sequence(id xid.ID) uint64 { return binary.BigEndian.Uint64(id[4:]) >> fractionBits }
