package daemon

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/actors"
)

// reloads has the services follow the files: at each change of a directory, and on demand. One reload is done at a time.
type reloads struct {
	files  *files
	system *actors.System
	lines  *lines
	log    zerolog.Logger

	mutex  sync.Mutex // held during a reload
	ctx    context.Context
	cancel context.CancelFunc
	open   sync.WaitGroup
}

func newReloads(files *files, system *actors.System, lines *lines, log zerolog.Logger) *reloads {
	ctx, cancel := context.WithCancel(context.Background())

	return &reloads{files: files, system: system, lines: lines, log: log, ctx: ctx, cancel: cancel}
}

// trigger follows a change of a directory; it never blocks.
func (r *reloads) trigger() {
	r.open.Go(func() {
		changes, err := r.Reload(r.ctx)
		if err != nil && r.ctx.Err() == nil {
			r.log.Error().Err(err).Msg("the services do not follow their files")
		}

		for _, change := range changes {
			r.log.Info().Str("service", change.ID).Msg("service file or configuration " + string(change.Action))
		}
	})
}

// Reload reads all files anew, has the services follow, and returns what was done, sorted by id.
func (r *reloads) Reload(ctx context.Context) ([]actors.Change, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	desired := r.files.load()

	changes, err := r.system.Reload(ctx, desired)
	if err == nil {
		r.lines.follow(desired.Services)
	}

	return changes, err
}

func (r *reloads) close() {
	r.cancel()
	r.open.Wait()
}
