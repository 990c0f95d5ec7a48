package daemon

import (
	"context"
	"sync"

	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/spec"
)

// lineLimit is where a service's line is cut in two for the console.
const lineLimit = 4096

// lines bring what services with logToConsole print to the console.
type lines struct {
	dir     logs.Dir
	console consoles
	all     bool // also those of services that do not ask for it

	mutex    sync.Mutex
	followed map[string]context.CancelFunc
	open     sync.WaitGroup
}

func newLines(dir logs.Dir, console consoles, all bool) *lines {
	return &lines{dir: dir, console: console, all: all, followed: make(map[string]context.CancelFunc)}
}

// follow shows the lines of exactly these services, where they ask for it, from now on.
func (l *lines) follow(services []*spec.Service) {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	wanted := make(map[string]bool)

	for _, service := range services {
		if (service.LogToConsole || l.all) && l.console.lines != nil {
			wanted[service.ID()] = true
		}
	}

	for id, cancel := range l.followed {
		if !wanted[id] {
			cancel()
			delete(l.followed, id)
		}
	}

	for id := range wanted {
		if l.followed[id] == nil {
			l.begin(id)
		}
	}
}

func (l *lines) begin(id string) {
	from, err := logs.Cursor(l.dir, id) // from now on
	if err != nil {
		l.console.log.Warn().Err(err).Str("service", id).Msg("its lines do not come to the console")

		return
	}

	ctx, cancel := context.WithCancel(context.Background())
	l.followed[id] = cancel

	l.open.Go(func() {
		err := logs.Lines(ctx, l.dir, id, from, lineLimit, func(line []byte) { l.console.lines.WriteLine(id, line) })
		if err != nil {
			l.console.log.Warn().Err(err).Str("service", id).Msg("its lines no longer come to the console")
		}
	})
}

func (l *lines) close() {
	l.follow(nil)
	l.open.Wait()

	if l.console.lines != nil {
		l.console.lines.Close()
	}
}
