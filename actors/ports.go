package actors

import (
	"context"
	"time"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// Journal is the event store as the actors need it.
type Journal interface {
	// Append writes one decision and returns its records. It never fails: where the disk cannot be written within a
	// second the decision is buffered, which the receipt says.
	Append(decision events.Decision) events.Receipt
	// Sync makes everything recorded so far durable against a power cut; called for a person's command.
	Sync() error
	// Replay yields every record of a service in order; the empty name means the daemon's own.
	Replay(service string, yield func(events.Record) bool) error
	// Tail returns the last n records of a service whose Message is not empty, oldest first; the empty name means those
	// of every service and of the daemon itself. It includes buffered ones.
	Tail(service string, n int) ([]events.Record, error)
}

// Runtime makes, starts and watches containers. All methods but Link block, and are called from goroutines of their own;
// calls for one id are serialised by the implementation in the order in which they began.
type Runtime interface {
	// Link calls up each time the connection is established and down each time it is lost, until the context ends.
	Link(ctx context.Context, up func(address, version string), down func(problem error))
	// Observe lists what the runtime shows of this instance, by service id. An error means that nothing is known.
	Observe(ctx context.Context) (map[string]*service.Observed, error)
	// Prepare makes sure that everything exists which the container needs outside of the runtime: the root file system,
	// mount sources, the log. It deletes what an earlier attempt of the same id left behind.
	Prepare(ctx context.Context, request service.StartRequest) error
	// Start makes and starts the container.
	Start(ctx context.Context, request service.StartRequest) (Started, error)
	// Wait blocks until the task ended. An error means that the connection was lost or the context ended: never that
	// the task ended.
	Wait(ctx context.Context, task service.Task) (*service.Exit, error)
	// UpdateConfig gives a running task its changed configuration files. An error means that it still has the old ones,
	// in part at least, and must be made anew.
	UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error
	// Signal sends the signal ("SIGTERM") to PID 1 of the task; a task that has ended is no error.
	Signal(ctx context.Context, task service.Task, signal string) error
	// Kill sends SIGKILL to every process of the task's cgroup; a task that has ended is no error.
	Kill(ctx context.Context, task service.Task) error
	// Delete kills what is left of the task and removes it with all that belongs to it; a task that is gone is no
	// error. A container with another attempt's label is left alone. service.ErrOutputLost tells that it was removed, and
	// that not all of what it printed is in its log.
	Delete(ctx context.Context, task service.Task) error
}

// Prober tells how what extactor does not run itself is: services of the host, and the health of tasks.
type Prober interface {
	// KnowsHost tells whether a name is that of a service of the host.
	KnowsHost(name string) bool
	// WatchHost pushes whether a service of the host is up, with a word on why, and each change, until stop is called.
	// It never blocks; push may be called from any goroutine, one call at a time.
	WatchHost(name string, push func(up bool, detail string)) (stop func())
	// MonitorHealth checks a running task until the context ends. It reports the first result, and each change of it.
	MonitorHealth(ctx context.Context, task service.Task, health spec.Health, report func(healthy bool, message string))
}

// Started tells about a task that was started. It lives in service because implementations must not import actors.
type Started = service.Started

// Watcher observes facts for conditions.
type Watcher interface {
	// Watch pushes the present fact at once and each change after that, until stop is called. It never blocks; push may
	// be called from any goroutine, one call at a time for each watch.
	Watch(watched condition.Condition, push func(condition.Fact)) (stop func())
}

// Clock is time as the actors see it.
type Clock interface {
	// Now returns both clocks.
	Now() *events.Instant
	// AfterFunc calls f in its own goroutine after the duration has passed on the monotonic clock.
	AfterFunc(wait time.Duration, f func()) (stop func() bool)
}
