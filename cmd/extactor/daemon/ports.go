package daemon

import (
	"context"
	"io"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/oci/logs"
)

// apiJournal is the journal as the API reads it.
type apiJournal struct{ *journal.Journal }

func (j apiJournal) Subscribe(after uint64) api.Subscription { return j.Journal.Subscribe(after) }

// apiLogs are the services' logs as the API reads them.
type apiLogs struct{ dir logs.Dir }

func (l apiLogs) Open(ctx context.Context, service string, tail int, follow bool) (io.ReadCloser, error) {
	var (
		from uint64
		err  error
	)

	if tail >= 0 {
		if from, err = logs.Tail(l.dir, service, tail); err != nil {
			return nil, err
		}
	}

	if follow {
		return logs.Follow(ctx, l.dir, service, from)
	}

	return logs.Open(l.dir, service, from)
}
