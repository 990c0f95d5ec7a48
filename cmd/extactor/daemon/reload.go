package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/spec"
)

// reloads has the services follow the files: at each change of a directory, and on demand. One reload is done at a time.
type reloads struct {
	files  *files
	system *actors.System
	lines  *lines
	log    zerolog.Logger

	mutex  sync.Mutex    // held during a reload
	pause  time.Duration // before what could not be read is tried again
	trying bool          // that is on its way

	ctx    context.Context
	cancel context.CancelFunc
	open   sync.WaitGroup
}

// The pauses before what could not be read is tried again.
const (
	rereadPauseMin = time.Second
	rereadPauseMax = time.Minute
)

func newReloads(files *files, system *actors.System, lines *lines, log zerolog.Logger) *reloads {
	ctx, cancel := context.WithCancel(context.Background())

	return &reloads{files: files, system: system, lines: lines, log: log, ctx: ctx, cancel: cancel}
}

// trigger follows a change of a directory; it never blocks.
func (r *reloads) trigger() {
	r.open.Go(func() {
		changes, _, err := r.Reload(r.ctx)
		if err != nil && r.ctx.Err() == nil {
			r.log.Error().Err(err).Msg("the services do not follow their files")
		}

		for _, change := range changes {
			r.log.Info().Str("service", change.ID).Msg("service file or configuration " + string(change.Action))
		}
	})
}

// Reload reads all files anew, has the services follow, and returns what was done, sorted by id, and what is wrong in the
// files.
func (r *reloads) Reload(ctx context.Context) ([]actors.Change, spec.Problems, error) {
	return r.after(ctx, func() error { return nil })
}

// after does the same once the files have been changed; no other reload sees them half changed.
func (r *reloads) after(ctx context.Context, change func() error) ([]actors.Change, spec.Problems, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	if err := change(); err != nil {
		return nil, nil, err
	}

	desired := r.files.load()
	desired.Origin = api.Caller(ctx)
	r.tryAgain()

	r.lines.follow(desired.Services) // before anything starts, so that no first line is missed

	changes, err := r.system.Reload(ctx, desired)

	return changes, r.files.problems, err
}

// tryAgain has the files read anew after a while where the system failed to read some: no change of a file tells that it
// would not any more. The mutex is held.
func (r *reloads) tryAgain() {
	if !slices.ContainsFunc(r.files.problems, func(problem spec.Problem) bool { return problem.Unread }) {
		r.pause = rereadPauseMin

		return
	}

	if r.trying {
		return
	}

	r.trying = true
	pause := max(r.pause, rereadPauseMin)
	r.pause = min(2*pause, rereadPauseMax)

	r.open.Go(func() {
		select {
		case <-time.After(pause):
		case <-r.ctx.Done():
			return
		}

		r.mutex.Lock()
		r.trying = false
		r.mutex.Unlock()

		r.trigger()
	})
}

func (r *reloads) close() {
	r.cancel()
	r.open.Wait()
}
