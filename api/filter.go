package api

import (
	"context"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// filtered tells whether a request asks for more than the last records of one service.
func filtered(request *apiv1.EventsRequest) bool {
	return len(request.GetServices())+len(request.GetKinds()) > 0 || request.GetFrom() != nil || request.GetUntil() != nil ||
		request.GetBoot() != "" || request.GetGrep() != ""
}

// many tells whether a request may be for more records than are read at once.
func many(request *apiv1.EventsRequest) bool {
	return request.GetTail() < 0 || request.GetTail() > mostRecords || request.GetSince() != 0 && !request.GetFollow()
}

// filter sends the last of the records that are asked for, which the journal finds without reading them all, and then, where
// asked for, those that follow.
func (s *Server) filter(ctx context.Context, request *apiv1.EventsRequest, stream func(*apiv1.EventRecord) error) error {
	past, err := s.past(ctx)
	if err != nil {
		return err
	}

	wanted, err := s.selection(ctx, past, request)
	if err != nil {
		return err
	}

	send := func(record events.Record) error { return stream(eventRecord(record)) }

	if len(wanted.Kinds) > 0 { // some of which have no text
		send = func(record events.Record) error {
			converted, err := factRecord(record)
			if err != nil {
				return failure(codes.Internal, err)
			}

			return stream(converted)
		}
	}

	end, err := past.Newest(ctx, 1<<63-1)
	if err != nil {
		return failure(codes.Internal, err)
	}

	if err := tail(ctx, past, wanted, int(request.GetTail()), end, send); err != nil || !request.GetFollow() || wanted.Until != 0 && wanted.Until <= end {
		return err
	}

	ending, cancel := s.until(ctx, request)
	defer cancel()

	subscription := s.options.Journal.Subscribe(end)
	defer subscription.Close()

	for {
		record, err := subscription.Next(ending)

		switch {
		case ctx.Err() == nil && ending.Err() != nil:
			return nil // the time is over
		case err != nil:
			return failure(codes.Internal, err)
		}

		if wanted.Until != 0 && record.Seq > wanted.Until {
			return nil
		}

		if wanted.Wants(record) {
			if err := send(record); err != nil {
				return err
			}
		}
	}
}

// until ends with the time up to which records are wanted, where that is yet to come.
func (s *Server) until(ctx context.Context, request *apiv1.EventsRequest) (context.Context, context.CancelFunc) {
	if left := s.left(request); left > 0 {
		return context.WithTimeout(ctx, left)
	}

	return context.WithCancel(ctx)
}

// left is how long it is to the time up to which what happens is followed; not positive where there is none, or it is over.
func (s *Server) left(request *apiv1.EventsRequest) time.Duration {
	wall, ok := request.GetUntil().GetKind().(*apiv1.Point_WallNs)
	if !ok || !request.GetFollow() {
		return 0
	}

	return time.Duration(wall.WallNs - s.options.Now().GetWallNs())
}

// tail sends the last of the wanted records, oldest first; all of them for a negative count. None is kept: there may be very
// many, and the client may be slow.
func tail(ctx context.Context, past History, wanted events.Selection, count int, end uint64, send func(events.Record) error) error {
	if wanted.Until == 0 || wanted.Until > end {
		wanted.Until = end
	}

	if count == 0 || wanted.Until <= wanted.After {
		return nil
	}

	if count > 0 { // find where they begin
		var oldest uint64

		err := past.Select(ctx, wanted, func(record events.Record) bool {
			oldest = record.Seq
			count--

			return count > 0
		})
		if err != nil || oldest == 0 {
			return failure(codes.Internal, err)
		}

		wanted.After = oldest - 1
	}

	read := each(ctx, past) // in the order in which they stand, as nearly all are wanted

	if wanted.Forward = len(wanted.Services)+len(wanted.Kinds) > 0; wanted.Forward {
		read = func(after, until uint64, yield func(events.Record) bool) error {
			part := wanted
			part.After, part.Until = after, until

			return past.Select(ctx, part, yield)
		}
	}

	return forward(wanted.After, wanted.Until, read, wanted.Wants, send)
}

// selection is what a request asks for.
func (s *Server) selection(ctx context.Context, past History, request *apiv1.EventsRequest) (wanted events.Selection, err error) {
	wanted.After = request.GetSince()

	for _, id := range append(request.GetServices(), request.GetService()) {
		if id == "" {
			continue
		}

		service, err := s.recorded(id)
		if err != nil {
			return wanted, err
		}

		wanted.Services = append(wanted.Services, service)
	}

	if wanted.Kinds, err = kinds(request.GetKinds()); err != nil {
		return wanted, err
	}

	if pattern := request.GetGrep(); pattern != "" {
		if wanted.Text, err = expression(pattern); err != nil {
			return wanted, err
		}
	}

	if name := request.GetBoot(); name != "" {
		boot, err := FindBoot(ctx, past, name)
		if err != nil {
			return wanted, err
		}

		wanted.Boot, wanted.After, wanted.Until = boot.ID, max(wanted.After, boot.First-1), boot.Last
		if boots, err := past.Boots(ctx); err == nil && boots[len(boots)-1].ID == boot.ID {
			wanted.Until = 0 // it goes on
		}
	}

	return s.between(ctx, past, wanted, request)
}

// A few bytes of a regular expression can stand for very many steps, which are kept as long as a client follows.
const (
	longestPattern = 1000
	mostSteps      = 10000
)

func expression(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > longestPattern {
		return nil, status.Errorf(codes.InvalidArgument, "the regular expression has %d bytes; it may have %d", len(pattern), longestPattern)
	}

	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no regular expression: %v", pattern, err)
	}

	if steps, err := syntax.Compile(parsed.Simplify()); err != nil || len(steps.Inst) > mostSteps {
		return nil, status.Errorf(codes.InvalidArgument, "the regular expression %q repeats too much", pattern)
	}

	return regexp.Compile(pattern)
}

// between adds the time that is asked for.
func (s *Server) between(ctx context.Context, past History, wanted events.Selection, request *apiv1.EventsRequest) (events.Selection, error) {
	var after uint64 // which record the time that is asked for begins

	if from := request.GetFrom(); from != nil {
		before, err := from, error(nil)

		if wall, ok := from.GetKind().(*apiv1.Point_WallNs); ok { // what was written at that very time counts
			before = &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: wall.WallNs - 1}}
		}

		if after, err = s.locate(ctx, past, before); err != nil {
			return wanted, err
		}

		switch from.GetKind().(type) {
		case *apiv1.Point_Seq, *apiv1.Point_Boot: // that record, too
			after = max(after, 1) - 1
		}

		wanted.After = max(wanted.After, after)
	}

	if request.GetUntil() != nil && s.left(request) <= 0 {
		until, err := s.locate(ctx, past, request.GetUntil())
		if err != nil {
			return wanted, err
		}

		switch {
		case until == 0: // nothing was written by then
			wanted.After, until = 1<<62, 1
		case max(after, request.GetSince()) > until:
			return wanted, status.Error(codes.InvalidArgument, "the time from which on events are wanted is after the one up to which they are")
		}

		if wanted.Until == 0 || until < wanted.Until {
			wanted.Until = until
		}
	}

	return wanted, nil
}

// kinds finds the names of kinds, whatever their case.
func kinds(asked []string) (found []string, err error) {
	known := Kinds()

	for _, name := range asked {
		index := slices.IndexFunc(known, func(kind string) bool { return strings.EqualFold(kind, name) })
		if index < 0 {
			return nil, status.Errorf(codes.InvalidArgument, "kind %q is not known; kinds are: %s", name, strings.Join(known, ", "))
		}

		found = append(found, known[index])
	}

	return found, nil
}

// Kinds lists the kinds of records: events by name, then commands ("command.StopService").
func Kinds() []string {
	names := func(message protoreflect.ProtoMessage, prefix string) []string {
		found := map[string]bool{}

		fields := message.ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
		for i := range fields.Len() {
			found[prefix+string(fields.Get(i).Message().Name())] = true
		}

		return slices.Sorted(maps.Keys(found))
	}

	return append(names(&events.Event{}, ""), names(&events.Command{}, "command.")...)
}
