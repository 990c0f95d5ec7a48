package dashboard

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// measureEvery is what lies between two readings of what is on the screen; leastMeasure where that has changed.
const (
	measureEvery = 2 * time.Second
	leastMeasure = 300 * time.Millisecond
)

// measure tells what the services on the screen take of the host. A daemon that gives no answer hangs: the session ends.
func (f *daemonFeed) measure(session *session) {
	for {
		wanted, _ := f.wants()

		// Where nothing is to be measured it is asked all the same, for what is selected: is the daemon still there?
		ids := wanted.measured
		if len(ids) == 0 && wanted.followed != "" {
			ids = []string{wanted.followed}
		}

		if len(ids) > 0 {
			response, err := session.stats(ids)

			switch {
			case err == nil:
				session.send(usageMsg{ids: ids, response: response})
			case errors.Is(err, context.DeadlineExceeded):
				session.end(errSilent)

				return
			case status.Code(err) == codes.Unimplemented: // an older daemon
				return
			}
		}

		if !pause(session.ctx, leastMeasure) || !f.awaitMeasured(session.ctx, wanted.measured) {
			return
		}
	}
}

// stats reads counters; context.DeadlineExceeded is wrapped where there is no answer in time.
func (s *session) stats(ids []string) (*apiv1.StatsResponse, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.patience)
	defer cancel()

	response, err := s.client.Extactor.Stats(ctx, &apiv1.StatsRequest{Ids: ids})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}

	return response, err
}

// awaitMeasured waits until it is time to measure again, or others are to be measured; false: the context ended first.
func (f *daemonFeed) awaitMeasured(ctx context.Context, measured []string) bool {
	timer := time.NewTimer(measureEvery - leastMeasure)
	defer timer.Stop()

	for {
		wanted, changed := f.wants()
		if !slices.Equal(wanted.measured, measured) {
			return true
		}

		select {
		case <-changed:
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
