package api

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/extactor/extactor/events"
)

const (
	// keptAtMost is how many records wait for a client while they are sent, one after the other.
	keptAtMost = 256
	// passedAtMost is how many records one reading passes over.
	passedAtMost = 8192
)

// oneReading is a look at the journal: it yields the records after a sequence, up to another, oldest first, until yield
// returns false.
type oneReading func(after, until uint64, yield func(events.Record) bool) error

// forward hands on the wanted records after a sequence, up to another that is there, until use fails. use may wait for a
// client for as long as that likes. So it is called between two readings, and never while the journal has its pages in
// memory, which are large.
func forward(after, until uint64, read oneReading, wants func(events.Record) bool, use func(events.Record) error) error {
	var kept []events.Record

	for step := uint64(keptAtMost); after < until; {
		end, last := after+min(step, until-after), after
		kept = kept[:0]

		err := read(after, end, func(record events.Record) bool {
			if last = record.Seq; wants(record) {
				kept = append(kept, record)
			}

			return len(kept) < keptAtMost
		})
		if err != nil {
			return failure(codes.Internal, err)
		}

		for _, record := range kept {
			if err := use(record); err != nil {
				return err
			}
		}

		switch {
		case len(kept) == keptAtMost: // there may be more before the end
			after, step = last, max(last-after, keptAtMost)
		case last == after: // nothing was there: it was deleted, or the journal knows without looking that none is wanted
			after, step = end, 2*step
		case len(kept) < keptAtMost/2:
			after, step = end, min(2*step, passedAtMost)
		default:
			after = end
		}
	}

	return nil
}

// each reads every record.
func each(ctx context.Context, past History) oneReading {
	return func(after, until uint64, yield func(events.Record) bool) error {
		return past.Each(ctx, after, until, yield)
	}
}

// past is where the past is asked for. Clients of the network take turns with what reads much of it, so that all of them
// together take no more memory for that, nor processors, than one does.
func (s *Server) past(ctx context.Context) (History, error) {
	if s.options.Past == nil {
		return nil, errNoPast
	}

	if _, remote := remoteCaller(ctx); remote {
		return turns{s.options.Past, s.turn}, nil
	}

	return s.options.Past, nil
}

// turns is a history that one asks at a time. What it yields must not ask it again.
type turns struct {
	History
	turn chan struct{} // full while one does
}

func (t turns) take(ctx context.Context, read func() error) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}

	defer func() { <-t.turn }()

	return read()
}

// Select implements History.
func (t turns) Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	return t.take(ctx, func() error { return t.History.Select(ctx, wanted, yield) })
}

// Each implements History.
func (t turns) Each(ctx context.Context, after, until uint64, yield func(events.Record) bool) error {
	return t.take(ctx, func() error { return t.History.Each(ctx, after, until, yield) })
}

// At implements History.
func (t turns) At(ctx context.Context, seq uint64) (fold *events.Fold, err error) {
	err = t.take(ctx, func() error {
		fold, err = t.History.At(ctx, seq)

		return err
	})

	return fold, err
}
