package dashboard

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

const (
	// rests is how long the selection stays where it is before it is followed: whoever holds an arrow key passes by.
	rests = 80 * time.Millisecond
	// firstEvents and firstLines are with how many of the last ones is begun.
	firstEvents = 200
	firstLines  = 500
	// mostPieces are the pieces of a log, 31 KiB each at most, that may wait to be shown.
	mostPieces = 64
)

// followed is what is followed of a service.
type followed struct {
	id      string
	printed bool
}

func (w wants) follows() followed { return followed{w.followed, w.printed} }

// follow sends the events and the log of the selected service, whichever that is, until the session ends.
func (f *daemonFeed) follow(session *session) {
	for session.ctx.Err() == nil {
		wanted, changed := f.wants()
		followed := wanted.follows()

		if followed.id == "" {
			select {
			case <-changed:
			case <-session.ctx.Done():
			}

			continue
		}

		ctx, cancel := context.WithCancel(session.ctx)

		var readers sync.WaitGroup

		if pause(ctx, rests) && f.stillFollows(followed) {
			readers.Go(func() { session.followEvents(ctx, followed.id) })

			if followed.printed {
				readers.Go(func() { session.followLog(ctx, followed.id) })
			}

			f.awaitOther(ctx, followed)
		}

		cancel()
		readers.Wait()
	}
}

func (f *daemonFeed) stillFollows(one followed) bool {
	wanted, _ := f.wants()

	return wanted.follows() == one
}

// awaitOther waits until another service is to be followed, or the context ends.
func (f *daemonFeed) awaitOther(ctx context.Context, one followed) {
	for {
		wanted, changed := f.wants()
		if wanted.follows() != one {
			return
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) followEvents(ctx context.Context, id string) {
	stream, err := s.client.Extactor.Events(ctx, &apiv1.EventsRequest{Service: id, Tail: firstEvents, Follow: true})
	if err != nil {
		return // the watch of the session says so
	}

	hand(ctx, mostLines, stream.Recv, func(records []*apiv1.EventRecord, fresh, _ bool, err error) {
		s.send(eventsMsg{id: id, fresh: fresh, records: records, problem: s.problem("the events", err)})
	})
}

func (s *session) followLog(ctx context.Context, id string) {
	stream, err := s.client.Machine.Logs(ctx, &machine.LogsRequest{
		Namespace: "system", Driver: common.ContainerDriver_CONTAINERD, Id: id, Follow: true, TailLines: firstLines,
	})
	if err != nil {
		return
	}

	hand(ctx, mostPieces, stream.Recv, func(pieces []*common.Data, fresh, skipped bool, err error) {
		var text []byte
		for _, piece := range pieces {
			text = append(text, piece.GetBytes()...)
		}

		s.send(logMsg{id: id, fresh: fresh, skipped: skipped, text: text, problem: s.problem("the log", err)})
	})
}

// problem words why a stream has ended, where that is not because the session has.
func (s *session) problem(what string, err error) string {
	if err == nil || errors.Is(err, io.EOF) || s.ctx.Err() != nil {
		return ""
	}

	switch status.Code(err) {
	case codes.Canceled, codes.Unavailable:
		return ""
	default:
		return "cannot read " + what + ": " + s.client.Explain(err).Error()
	}
}

// hand hands on what a stream yields, in handfuls at some distance, until it ends. The first is marked as fresh, and comes
// also where there is nothing. Of what comes faster than it can be shown, more than most is skipped, the oldest first.
func hand[T any](ctx context.Context, most int, next func() (T, error), send func(some []T, fresh, skipped bool, err error)) {
	var (
		mu      sync.Mutex
		waiting []T
		skipped bool
		ended   error
		news    = make(chan struct{}, 1)
	)

	go func() {
		for {
			one, err := next()

			mu.Lock()

			if err != nil {
				ended = err
			} else if waiting = append(waiting, one); len(waiting) > most {
				waiting, skipped = waiting[1:], true
			}

			mu.Unlock()

			select {
			case news <- struct{}{}:
			default:
			}

			if err != nil {
				return
			}
		}
	}()

	for fresh := true; pause(ctx, pace); fresh = false {
		mu.Lock()
		some, left, err := waiting, skipped, ended
		waiting, skipped = nil, false
		mu.Unlock()

		if fresh || len(some) > 0 || err != nil {
			send(some, fresh, left, err)
		}

		if err != nil {
			return
		}

		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}
