// Package probe tells whether services that are not extactor's own are up, and checks the health of those that are.
package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/spec"
)

// Probe tells whether one host service is up.
type Probe interface {
	// Watch pushes whether the service is up, with a detail for people, as soon as that is known, and then each change of
	// either. It never blocks. push is called from other goroutines, one call at a time, and must return soon. After stop
	// has returned no call of push begins or is under way: so stop must not be called from within push. It may be called
	// more than once.
	Watch(push func(up bool, detail string)) (stop func())
}

// Watcher observes facts for conditions; probes watch paths with it.
type Watcher interface {
	// Watch pushes the present fact soon and each change after that, until stop is called. It never blocks.
	Watch(watched condition.Condition, push func(condition.Fact)) (stop func())
}

// New makes the probe of a host service. It fails unless exactly one field but Name is set.
func New(service spec.HostService, watcher Watcher) (Probe, error) {
	var (
		made  Probe
		count int
	)

	for _, kind := range []struct {
		set  bool
		make func() Probe
	}{
		{service.Path != "", func() Probe { return path(service.Path, watcher) }},
		{service.Socket != "", func() Probe { return sockets([]string{service.Socket}, watcher, nil) }},
		{service.Systemd != "", func() Probe { return systemd(service.Systemd) }},
		{service.TCP != "", func() Probe { return tcp(service.TCP, dialTCP) }},
		{service.Assume, func() Probe { return assumed("assumed") }},
	} {
		if kind.set {
			made = kind.make()
			count++
		}
	}

	if count != 1 {
		return nil, fmt.Errorf("cannot probe host service %q: exactly one of socket, path, systemd, tcp and assume must be set", service.Name)
	}

	return made, nil
}

// tell is how a running probe says what it has found; it leaves out what was said before.
type tell func(up bool, detail string)

// running is a probe that runs in a goroutine of its own for each watch, until the context ends.
type running func(ctx context.Context, tell tell)

// Watch implements Probe.
func (r running) Watch(push func(up bool, detail string)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	told := &teller{push: push}

	go r(ctx, told.tell)

	return func() {
		cancel()
		told.stop()
	}
}

// teller pushes changes to one watch.
type teller struct {
	mu      sync.Mutex // held during push
	push    func(up bool, detail string)
	stopped bool
	said    bool
	up      bool
	detail  string
}

func (t *teller) tell(up bool, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.stopped || t.said && t.up == up && t.detail == detail {
		return
	}

	t.said, t.up, t.detail = true, up, detail
	t.push(up, detail)
}

func (t *teller) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.stopped = true
}

// path is up while something is there.
func path(name string, watcher Watcher) Probe {
	watched := condition.Condition{Kind: condition.Path, Name: name}

	return running(func(ctx context.Context, tell tell) {
		stop := watcher.Watch(watched, func(fact condition.Fact) {
			if watched.Met(fact) {
				tell(true, fmt.Sprintf("%q exists", name))
			} else {
				tell(false, fmt.Sprintf("%q does not exist", name))
			}
		})
		defer stop()

		<-ctx.Done()
	})
}

func assumed(detail string) Probe {
	return running(func(_ context.Context, tell tell) { tell(true, detail) })
}

// oneLine makes text of others fit for a terminal and for one line of a table.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}

		return r
	}, strings.ToValidUTF8(text, "�")))
}
