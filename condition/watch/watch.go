// Package watch observes the facts behind conditions (a path, the network, the host name, the clock) and pushes each
// change. It waits for the kernel to tell wherever the kernel can, and looks once a second only where it cannot.
package watch

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/condition"
)

// Options say where to look. The zero value observes the host.
type Options struct {
	// Logger receives what an operator should know: a path that must be polled, a file system that does not answer.
	Logger zerolog.Logger
	// NetworkNamespace is where addresses and routes are observed; nil means the caller's. It must stay open until Close.
	NetworkNamespace *os.File
	// UTSNamespace is where the host name is observed; nil means the caller's. It must stay open until Close.
	UTSNamespace *os.File
	// Etc is the directory of hosts and resolv.conf; empty means /etc.
	Etc string
	// TimesyncFlag is the file whose existence says that the clock is synchronised; empty means the one of
	// systemd-timesyncd, /run/systemd/timesync/synchronized.
	TimesyncFlag string
	// ClockStatus asks the kernel whether the clock is synchronised; nil means adjtimex(2).
	ClockStatus func() (synchronized bool, err error)
	// PollInterval is the time between two looks where nothing can notify; zero means one second.
	PollInterval time.Duration

	// receiveBuffer is the size in bytes of the netlink subscription's receive buffer; zero leaves the kernel's default.
	receiveBuffer int
}

// Watchers observes facts for any number of watches, and directories. Equal conditions share one observation.
type Watchers struct {
	options Options
	tree    *tree
	netlink *subscription

	mu          sync.Mutex // guards what follows; never held while anything can block
	closed      bool
	sources     map[condition.Condition]*source
	directories map[*directory]struct{}

	synchronized atomic.Bool    // the clock has been synchronised: it is not asked again
	running      sync.WaitGroup // goroutines of sources
}

// closeTimeout bounds how long Close waits for a look at a file system that does not answer.
const closeTimeout = time.Second

// New prepares to watch. It opens nothing: what a kind of condition needs is opened when it is first watched, and tried
// again for as long as it fails, so that a lack of descriptors or inotify instances slows watches down but loses none.
func New(options Options) (*Watchers, error) {
	defaults(&options)

	return &Watchers{
		options:     options,
		tree:        newTree(),
		netlink:     newSubscription(options),
		sources:     map[condition.Condition]*source{},
		directories: map[*directory]struct{}{},
	}, nil
}

func defaults(options *Options) {
	if options.Etc == "" {
		options.Etc = "/etc"
	}

	if options.TimesyncFlag == "" {
		options.TimesyncFlag = "/run/systemd/timesync/synchronized"
	}

	if options.ClockStatus == nil {
		options.ClockStatus = kernelClockStatus
	}

	if options.PollInterval <= 0 {
		options.PollInterval = time.Second
	}
}

// Watch pushes the present fact, from another goroutine, as soon as it is known, and then each fact that differs from
// the one before. Changes that follow each other faster than they can be looked at are pushed as one.
//
// Watch itself never blocks. push is called one call at a time for a watch; it must return soon, because it holds up the
// other watches of the same condition.
//
// After stop has returned no call of push begins or is under way: stop waits for one that is. It must therefore not be
// called from within push, nor with a lock held that push takes. It may be called more than once.
//
// Served are the kinds Path, EnvironmentFile, Network and Time. Facts of Service and Configuration have other sources:
// a watch for these, and any watch after Close, pushes nothing.
func (w *Watchers) Watch(watched condition.Condition, push func(condition.Fact)) (stop func()) {
	if watched.Kind == condition.EnvironmentFile {
		watched.Kind = condition.Path // the same question to the kernel
	}

	subscriber := &subscriber{push: push}

	w.mu.Lock()
	defer w.mu.Unlock()

	if w.closed {
		return func() {}
	}

	observed := w.sources[watched]
	if observed == nil {
		observed = w.source(watched)
		if observed == nil {
			w.options.Logger.Error().Str("condition", watched.Key()).Msg("cannot watch: no watcher serves this condition")

			return func() {}
		}

		w.sources[watched] = observed
	}

	observed.add(subscriber)

	return func() {
		subscriber.stop()
		w.forget(watched, observed, subscriber)
	}
}

// source makes the observation of a condition, or returns nil for a kind that is not served.
func (w *Watchers) source(watched condition.Condition) *source {
	s := &source{running: &w.running}

	switch {
	case watched.Kind == condition.Path:
		s.observer = newFiles(w, s, []string{watched.Name}, false)
	case watched == condition.Condition{Kind: condition.Network, Name: condition.EtcFiles}:
		paths := []string{filepath.Join(w.options.Etc, "hosts"), filepath.Join(w.options.Etc, "resolv.conf")}
		s.observer = newFiles(w, s, paths, true)
	case watched == condition.Condition{Kind: condition.Network, Name: condition.Addresses}:
		s.observer = newLinks(w, s, addresses)
	case watched == condition.Condition{Kind: condition.Network, Name: condition.Connectivity}:
		s.observer = newLinks(w, s, routes)
	case watched == condition.Condition{Kind: condition.Network, Name: condition.Hostname}:
		s.observer = &hostname{watchers: w, source: s}
	case watched == condition.Condition{Kind: condition.Time}:
		s.observer = &clock{watchers: w, source: s}
	default:
		return nil
	}

	return s
}

// forget drops a watch, and with the last watch of a condition its observation.
func (w *Watchers) forget(watched condition.Condition, observed *source, subscriber *subscriber) {
	w.mu.Lock()

	last := observed.remove(subscriber)
	if last && w.sources[watched] == observed {
		delete(w.sources, watched)
	}

	w.mu.Unlock()

	if last {
		observed.end()
	}
}

// Close stops every watch as its stop would and gives everything back to the kernel. A look at a file system that does
// not answer cannot be broken off: Close waits at most a second for it, and its goroutine ends when the kernel answers.
func (w *Watchers) Close() {
	w.mu.Lock()
	w.closed = true
	sources, directories := w.sources, w.directories
	w.sources, w.directories = map[condition.Condition]*source{}, map[*directory]struct{}{}
	w.mu.Unlock()

	for _, observed := range sources {
		observed.stopAll()
		observed.end()
	}

	for observed := range directories {
		observed.silence()
		observed.source.end()
	}

	done := make(chan struct{})

	go func() {
		w.tree.close()
		w.running.Wait()
		close(done)
	}()

	select {
	case <-done:
	case <-time.After(closeTimeout):
		w.options.Logger.Warn().Msg("closed while a file system still does not answer")
	}
}
