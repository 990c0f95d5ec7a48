package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
)

// ErrUnknownService is wrapped by errors about a service that does not exist.
var ErrUnknownService = errors.New("no such service")

// Config is what a System needs. Every field but JournalHealth, Fatal and Mailbox is required.
type Config struct {
	Journal Journal
	Runtime Runtime
	Watcher Watcher
	Prober  Prober
	Clock   Clock
	Logger  *slog.Logger
	Desired Desired // what the files say at the start

	BootID  string // kernel boot id
	Version string // of the program
	PID     int32  // of the daemon
	Key     []byte // of this instance, for the hashes of values that must not enter the journal

	// JournalHealth makes the journal a service that is shown and can be depended on, "journal".
	JournalHealth JournalHealth

	// Fatal is called when something else than the actor of one service panics; it must not return. By default it
	// panics again, which ends the process.
	Fatal func(reason any)
	// Mailbox replaces the mailbox of every actor, so that a test decides which message is delivered next.
	Mailbox func() actor.Mailbox
}

// world is what all actors of one system share.
type world struct {
	journal Journal

	journalHealth JournalHealth // nil where the journal is not shown

	runtime Runtime
	watcher Watcher
	prober  Prober
	clock   Clock
	logger  *slog.Logger
	board   *board
	bootID  string
	version string
	pid     int32
	key     []byte
	mailbox func() actor.Mailbox
	system  *actor.ActorSystem
	ctx     context.Context // ends with the system; ends every call to the container runtime
}

func (w *world) send(to *actor.PID, message any) { w.system.Root.Send(to, message) }

// props is the one factory of all actors.
func (w *world) props(produce actor.Producer, options ...actor.PropsOption) *actor.Props {
	if w.mailbox != nil {
		options = append(options, actor.WithMailbox(w.mailbox))
	}

	return actor.PropsFromProducer(produce, options...)
}

func (w *world) spawn(parent actor.Context, name string, produce actor.Producer) *actor.PID {
	pid, err := parent.SpawnNamed(w.props(produce), name)
	if err != nil {
		panic(fmt.Sprintf("cannot spawn actor %q: %v", name, err)) // names are unique by construction
	}

	return pid
}

// System is a running set of services.
type System struct {
	world   *world
	root    *actor.PID
	cancel  context.CancelFunc
	stopped chan struct{}
	closing sync.Once
}

// Start brings the services to life. It returns at once; what becomes of them is in the views and in the journal.
func Start(config Config) (*System, error) {
	ctx, cancel := context.WithCancel(context.Background())
	world := &world{
		journal: config.Journal, journalHealth: config.JournalHealth, runtime: config.Runtime, watcher: config.Watcher, prober: config.Prober, clock: config.Clock, logger: config.Logger,
		board: newBoard(), bootID: config.BootID, version: config.Version, pid: config.PID, key: config.Key,
		mailbox: config.Mailbox, ctx: ctx,
		system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(quiet{config.Logger.Handler()})
		})),
	}
	system := &System{world: world, cancel: cancel, stopped: make(chan struct{})}

	fatal := config.Fatal
	if fatal == nil {
		fatal = func(reason any) { panic(reason) }
	}

	decide := func(reason any) actor.Directive {
		fatal(reason)

		return actor.StopDirective
	}

	var once sync.Once

	props := world.props(
		func() actor.Actor {
			root := newRootActor(world, config.Desired, func() { once.Do(func() { close(system.stopped) }) })
			return root
		},
		actor.WithGuardian(actor.NewOneForOneStrategy(0, 0, decide)),
		actor.WithSupervisor(actor.NewOneForOneStrategy(0, 0, decide)),
	)

	root, err := world.system.Root.SpawnNamed(props, "root")
	if err != nil {
		cancel()

		return nil, fmt.Errorf("cannot spawn the root actor: %w", err)
	}

	system.root = root

	return system, nil
}

// Views returns the present view of every service, sorted by id. It answers while anything else is stuck.
func (s *System) Views() []events.View { return s.world.board.all() }

// View returns the present view of one service.
func (s *System) View(id string) (events.View, bool) { return s.world.board.one(id) }

// Rejected returns the files that have problems now. Nobody may change what it returns.
func (s *System) Rejected() []*events.SpecRejected { return s.world.board.rejected() }

// Changed returns a channel that is closed at the next change of any view, or of what is rejected.
func (s *System) Changed() <-chan struct{} { return s.world.board.next() }

// Command gives a person's order to a service and returns the sequence of the record that it led to. The order is synced
// to disk before it returns.
func (s *System) Command(ctx context.Context, id string, order events.Order, origin *events.Origin) (uint64, error) {
	reply := make(chan answer, 1)
	s.world.send(s.root, give{id: id, order: order, origin: origin, reply: reply})

	select {
	case answer := <-reply:
		if answer.err != nil {
			return 0, answer.err
		}

		if err := s.world.journal.Sync(); err != nil {
			s.world.logger.Warn("cannot sync the journal", "error", err)
		}

		return answer.seq, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("cannot control service %q: %w", id, context.Cause(ctx))
	}
}

// Reload makes what runs follow the files, and returns what was done, sorted by id.
func (s *System) Reload(ctx context.Context, desired Desired) ([]Change, error) {
	reply := make(chan []Change, 1)
	s.world.send(s.root, reload{desired: desired, reply: reply})

	select {
	case changes := <-reply:
		return changes, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot reload the services: %w", context.Cause(ctx))
	}
}

// Snapshot has every service record its whole state, and returns once all have.
func (s *System) Snapshot(ctx context.Context) error {
	done := make(chan struct{})
	s.world.send(s.root, takeSnapshots{done: func() { close(done) }})

	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot record a snapshot of every service: %w", context.Cause(ctx))
	}
}

// Shutdown stops every service in reverse order of dependency and waits until all have ended; what persons desire is
// unchanged. Once hurry is closed, what has not stopped yet is killed. An error means that the context ended first.
func (s *System) Shutdown(ctx context.Context, hurry <-chan struct{}) error {
	s.world.send(s.root, shutdown{})

	for {
		select {
		case <-s.stopped:
			return nil
		case <-hurry:
			hurry = nil
			s.world.send(s.root, shutdown{hurry: true})
		case <-ctx.Done():
			return fmt.Errorf("cannot stop all services: %w", context.Cause(ctx))
		}
	}
}

// Close ends the actors and every call in flight. Services that run go on running.
func (s *System) Close() {
	s.closing.Do(func() {
		// The actors end first: what they would make of calls that end with the context is no news of a service.
		_ = s.world.system.Root.StopFuture(s.root).Wait()
		s.cancel()
	})
}

// quiet drops what protoactor says about messages to actors that have ended: timers and watchers may always be late.
type quiet struct{ slog.Handler }

// Handle drops protoactor's notes and passes its errors on.
func (q quiet) Handle(ctx context.Context, record slog.Record) error {
	if record.Level < slog.LevelWarn {
		return nil
	}

	return q.Handler.Handle(ctx, record)
}

// WithAttrs keeps the filter.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup keeps the filter.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
