package actors

import (
	"context"
	"errors"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// The pause before what could not be deleted is tried again: doubled each time.
const (
	deletePause        = 30 * time.Second
	longestDeletePause = time.Hour
)

func (s *serviceActor) deleteCall(of deletion) func(context.Context) events.Order {
	task, self := service.Task{ID: s.state.ID, Attempt: of.attempt}, s.self

	return func(ctx context.Context) events.Order {
		ctx, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()

		err := s.world.runtime.Delete(ctx, task)
		if errors.Is(err, service.ErrOutputLost) {
			return &events.ReportOutputLost{Attempt: of.attempt}
		}

		if err != nil {
			s.world.logger.Warn("cannot delete the container, it is tried again", "service", task.ID, "attempt", of.attempt, "error", err)
			s.world.send(self, deleteBroken(of))
		}

		return nil
	}
}

func (s *serviceActor) breakDelete(broken deleteBroken) {
	self, pause := s.self, broken.pause
	broken.pause = min(2*pause, longestDeletePause)

	of := deletion(broken)
	s.stuck = &of
	s.report()

	s.world.clock.AfterFunc(pause, func() { s.world.send(self, deleteAgain(broken)) })
}

// deleteAgain deletes what is left of a service that has ended, or waits. Where another attempt is being prepared, that
// does it.
func (s *serviceActor) deleteAgain(broken deleteAgain) {
	if s.stuck != nil && s.stuck.attempt == broken.attempt {
		s.stuck = nil
	}

	due := s.state.Ended() || s.state.Name == events.StateWaiting
	if s.quarantined {
		due = s.abandoned
	}

	if due {
		s.enqueue(call{run: s.deleteCall(deletion(broken)), cause: broken.cause})
	}

	s.report()
}
