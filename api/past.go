package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// History is the past as the journal tells it.
type History interface {
	// Select yields the records that are wanted, newest first, until yield returns false.
	Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error
	// Each yields every record after a sequence, up to another, oldest first, until yield returns false.
	Each(ctx context.Context, after, until uint64, yield func(events.Record) bool) error
	// Floor returns the sequence from which on no record was deleted. It fails while the database cannot be read.
	Floor(ctx context.Context) (uint64, error)
	// At folds everything up to a record.
	At(ctx context.Context, seq uint64) (*events.Fold, error)
	// Boots lists the boots of which there are records, oldest first.
	Boots(ctx context.Context) ([]events.Boot, error)
	// Newest returns the newest record that was written up to a time of the wall clock, 0 if there is none.
	Newest(ctx context.Context, wallNS int64) (uint64, error)
	// Before returns the newest record that was written up to so long before a moment of a boot, 0 if there is none.
	Before(ctx context.Context, now events.Moment, bootID string, ago time.Duration) (uint64, error)
}

var errNoPast = status.Error(codes.Unimplemented, "no journal of the past is served here")

// StatusAt implements extactor.v1.
func (e *extactorService) StatusAt(ctx context.Context, request *apiv1.StatusAtRequest) (*apiv1.StatusAtResponse, error) {
	past, err := e.server.past(ctx)
	if err != nil {
		return nil, err
	}

	seq, err := e.server.within(ctx, past, request.GetAt())
	if err != nil {
		return nil, err
	}

	fold, err := past.At(ctx, seq)
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	was := fold.Past()

	ids, err := pastIDs(request.GetIds(), was.Views)
	if err != nil {
		return nil, err
	}

	was.At = e.server.moment(request.GetAt(), was)

	return pastResponse(was, func(view events.View) bool { return len(ids) == 0 || slices.Contains(ids, view.ID) }), nil
}

// moment is the time that a point means, on the clocks of the newest record up to then: ages are those of then. It is never
// before that record, nor after now.
func (s *Server) moment(point *apiv1.Point, was events.Past) events.Moment {
	now := s.options.Now()

	var after int64 // the record

	switch kind := point.GetKind().(type) {
	case *apiv1.Point_Seq, *apiv1.Point_Boot:
	case *apiv1.Point_WallNs:
		after = min(kind.WallNs, now.GetWallNs()) - was.At.WallNS
	default: // the end, or so long ago
		after = now.GetWallNs() - point.GetAgoNs() - was.At.WallNS
		if was.BootID == s.options.BootID {
			after = now.GetBootNs() - point.GetAgoNs() - was.At.BootNS
		}
	}

	after = max(after, 0)

	return events.Moment{WallNS: was.At.WallNS + after, BootNS: was.At.BootNS + after}
}

// locate returns the record that a point means: the newest one up to then, 0 where the journal begins later.
func (s *Server) locate(ctx context.Context, past History, point *apiv1.Point) (uint64, error) {
	return Locate(ctx, past, point, func() *apiv1.Moment { return instant(s.options.Now(), s.options.BootID) })
}

// Locate returns the record that a point means: the newest one up to then, 0 where the journal begins later. So long ago is
// before what now says.
func Locate(ctx context.Context, past History, point *apiv1.Point, now func() *apiv1.Moment) (seq uint64, err error) {
	switch kind := point.GetKind().(type) {
	case *apiv1.Point_Seq:
		return kind.Seq, nil
	case *apiv1.Point_WallNs:
		seq, err = past.Newest(ctx, kind.WallNs)
	case *apiv1.Point_AgoNs:
		at := now()
		seq, err = past.Before(ctx, events.Moment{WallNS: at.GetWallNs(), BootNS: at.GetBootNs()}, at.GetBootId(), time.Duration(kind.AgoNs))
	case *apiv1.Point_Boot:
		boot, err := FindBoot(ctx, past, kind.Boot)

		return boot.First, err
	default:
		return math.MaxInt64, nil
	}

	return seq, failure(codes.Internal, err)
}

// within is locate for a moment that must be within the journal.
func (s *Server) within(ctx context.Context, past History, point *apiv1.Point) (uint64, error) {
	seq, err := s.locate(ctx, past, point)
	if err != nil {
		return 0, err
	}

	if seq == 0 {
		return 0, status.Error(codes.OutOfRange, s.beginning(ctx, past))
	}

	return seq, s.written(ctx, past, point)
}

// written refuses a sequence that nothing has yet.
func (s *Server) written(ctx context.Context, past History, point *apiv1.Point) error {
	asked, ok := point.GetKind().(*apiv1.Point_Seq)
	if !ok {
		return nil
	}

	newest, err := past.Newest(ctx, math.MaxInt64)
	if err != nil {
		return failure(codes.Internal, err)
	}

	if asked.Seq > newest {
		return status.Errorf(codes.OutOfRange, "there is no event %d yet; the newest is %d", asked.Seq, newest)
	}

	return nil
}

// beginning says why a moment cannot be told.
func (s *Server) beginning(ctx context.Context, past History) string {
	boots, err := past.Boots(ctx)
	if err != nil || len(boots) == 0 {
		return "the journal is empty"
	}

	began := time.Unix(0, boots[0].Began.WallNS).UTC().Format(time.RFC3339Nano)

	return fmt.Sprintf("the journal begins later, with record %d at %s", boots[0].First, began)
}

// FindBoot finds a boot by its id, or by how many there were since.
func FindBoot(ctx context.Context, past History, name string) (events.Boot, error) {
	boots, err := past.Boots(ctx)
	if err != nil {
		return events.Boot{}, failure(codes.Internal, err)
	}

	for _, boot := range boots {
		if boot.ID == name {
			return boot, nil
		}
	}

	back, err := strconv.Atoi(name)
	if err != nil || back > 0 {
		return events.Boot{}, status.Errorf(codes.InvalidArgument,
			"boot %q is not known; it is 0 for the newest, -1 for the one before, and so on, or a kernel boot id", name)
	}

	if -back >= len(boots) {
		return events.Boot{}, status.Errorf(codes.OutOfRange, "boot %s is not known; the journal has %s", name, bootNames(len(boots)))
	}

	return boots[len(boots)-1+back], nil
}

// bootNames says which boots can be asked for.
func bootNames(count int) string {
	switch count {
	case 0:
		return "none"
	case 1:
		return "only one, 0"
	default:
		return fmt.Sprintf("%d (0 to -%d)", count, count-1)
	}
}

// pastIDs resolves what the client asked for among the services there were.
func pastIDs(asked []string, views []events.View) (ids []string, err error) {
	for _, id := range asked {
		found := ""

		for _, candidate := range candidates(id) {
			if found == "" && slices.ContainsFunc(views, func(view events.View) bool { return view.ID == candidate }) {
				found = candidate
			}
		}

		if found == "" {
			known := make([]string, 0, len(views))
			for _, view := range views {
				known = append(known, view.ID)
			}

			return nil, status.Errorf(codes.NotFound, "service %q was not known then; known were: %s", id, strings.Join(known, ", "))
		}

		ids = append(ids, found)
	}

	return ids, nil
}

// pastResponse is a status as it was answered then.
func pastResponse(was events.Past, wanted func(events.View) bool) *apiv1.StatusAtResponse {
	clocks := pastClocks(was)
	response := &apiv1.StatusResponse{Now: moment(was.At, was.BootID), Revision: was.Seq}

	for _, view := range was.Views {
		if wanted(view) {
			response.Services = append(response.Services, clocks.service(view))
		}
	}

	for _, file := range was.Rejected {
		response.Rejected = append(response.Rejected, &apiv1.RejectedFile{File: file.GetFile(), Positions: file.GetProblems()})
	}

	return &apiv1.StatusAtResponse{Status: response, Stopped: was.Stopped, Before: was.Before}
}

func pastClocks(was events.Past) clocks {
	return clocks{now: &events.Instant{WallNs: was.At.WallNS, BootNs: was.At.BootNS}, bootID: was.BootID}
}

// Replay implements extactor.v1. What one decision changed is one answer.
func (e *extactorService) Replay(request *apiv1.ReplayRequest, stream grpc.ServerStreamingServer[apiv1.StatusAtResponse]) error {
	ctx := stream.Context()

	past, err := e.server.past(ctx)
	if err != nil {
		return err
	}

	from := uint64(0)
	if request.GetFrom() != nil {
		if from, err = e.server.locate(ctx, past, request.GetFrom()); err != nil {
			return err
		}

		if err := e.server.written(ctx, past, request.GetFrom()); err != nil {
			return err
		}
	}

	until, err := e.server.locate(ctx, past, request.GetUntil())
	if err != nil {
		return err
	}

	if from > until {
		return status.Error(codes.InvalidArgument, "the moment at which to begin is after the one at which to end")
	}

	fold, err := past.At(ctx, from)
	if err != nil {
		return failure(codes.Internal, err)
	}

	player := &player{fold: fold, ids: request.GetIds(), send: stream.Send, shown: map[string]uint64{}}

	if from > 0 {
		if err := player.show(); err != nil {
			return err
		}
	}

	newest, err := past.Newest(ctx, math.MaxInt64)
	if err != nil {
		return failure(codes.Internal, err)
	}

	all := func(events.Record) bool { return true }
	if err := forward(fold.Last().Seq, min(until, newest), each(ctx, past), all, player.take); err != nil {
		return err
	}

	return player.show()
}

// player tells what each decision changed.
type player struct {
	fold  *events.Fold
	ids   []string
	shown map[string]uint64 // revision of each service that the client has
	send  func(*apiv1.StatusAtResponse) error
	last  uint64 // the decision that is being folded
}

func (p *player) take(record events.Record) error {
	if p.last != 0 && record.Decision != p.last {
		if err := p.show(); err != nil {
			return err
		}
	}

	p.last = record.Decision
	p.fold.Apply(record)

	return nil
}

// show sends what is new.
func (p *player) show() error {
	was := p.fold.Last()
	present := make(map[string]bool, len(p.shown))

	for id, revision := range p.fold.Present() {
		if !p.wants(id) {
			continue
		}

		present[id] = true

		if p.shown[id] != revision {
			view, _ := p.fold.View(id)
			was.Views = append(was.Views, view)
			p.shown[id] = revision
		}
	}

	slices.SortFunc(was.Views, func(a, b events.View) int { return cmp.Compare(a.ID, b.ID) })

	response := pastResponse(was, func(events.View) bool { return true })

	for id := range p.shown {
		if !present[id] {
			delete(p.shown, id)
			response.Status.Removed = append(response.Status.Removed, id)
		}
	}

	slices.Sort(response.Status.Removed)

	return p.send(response)
}

func (p *player) wants(id string) bool {
	return len(p.ids) == 0 || slices.ContainsFunc(p.ids, func(asked string) bool { return slices.Contains(candidates(asked), id) })
}
