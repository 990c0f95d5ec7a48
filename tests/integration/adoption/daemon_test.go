package adoption_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	slogzerolog "github.com/samber/slog-zerolog/v2"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/server"
)

// point is a moment at which a daemon may die: before or after an append, a call of its actors to the container runtime
// ("runtime.Start"), or a call to containerd ("tasks.Create").
type point struct {
	what  string
	after bool
}

// String is the point as a failure shows it.
func (p point) String() string {
	if p.after {
		return "after " + p.what
	}

	return "before " + p.what
}

// verdict is what becomes of a daemon at a point.
type verdict int

const (
	proceed verdict = iota
	die             // at once: nothing of it has any effect from here on
	hold            // the call hangs until the daemon dies, or the held are released
	fail            // the call of the runtime fails without being made
)

// daemon is one run of a daemon, put together as cmd/extactor/daemon does.
type daemon struct {
	site    *site
	journal *journal.Journal
	runtime *oci.Runtime
	system  *actors.System
	proxy   *proxy
	address string // of the proxy
	watch   *watch.Watchers

	mu       sync.Mutex
	hook     func(point) verdict
	dead     bool
	died     chan struct{}
	released chan struct{}  // what is held goes on once this is closed
	changed  chan struct{}  // closed at the next point
	busy     map[string]int // calls under way, by name
}

var errDead = errors.New("the daemon is dead")

// start runs the next daemon of the site.
func (s *site) start(hook func(point) verdict) *daemon {
	s.t.Helper()

	if s.daemon != nil {
		s.daemon.crash()
	}

	d := &daemon{
		site: s, hook: hook, died: make(chan struct{}), released: make(chan struct{}), changed: make(chan struct{}), busy: make(map[string]int),
	}
	s.daemon = d
	d.address = filepath.Join(filepath.Dir(s.state), uuid.NewString()[:6]+".sock")
	logger := zerolog.New(io.Discard)

	var err error

	d.proxy, err = newProxy(d.address, server.Address(s.world.run), d.call)
	must(s.t, err)

	d.runtime, err = oci.New(oci.Config{
		RunDir: s.runDir, RootfsDir: s.world.rootfs, Address: d.address, Namespace: s.namespace, Instance: s.instance,
		Version: "test", OCIRuntime: "runc", ShimPath: shimPath, Logger: logger,
	})
	must(s.t, err)

	d.journal, err = journal.Open(journal.Options{
		Identity: journal.Identity{Instance: s.instance, BootID: s.boot, RunID: uuid.NewString()}, Dir: s.state, Logger: logger,
	})
	must(s.t, err)

	s.since = d.journal.Status().Revision

	d.watch, err = watch.New(watch.Options{Logger: logger})
	must(s.t, err)

	d.system, err = actors.Start(actors.Config{
		Journal: mortalJournal{d.journal, d}, Runtime: mortalRuntime{d.runtime, d}, Watcher: d.watch, Clock: kernelClock{},
		Prober: actorstest.NewFakeProber(), // nothing here depends on services of the host
		Logger: slog.New(slogzerolog.Option{Logger: &logger}.NewZerologHandler()), Desired: s.desired(),
		BootID: s.boot, Version: "test", PID: int32(os.Getpid()), Key: []byte(s.instance),
	})
	must(s.t, err)

	return d
}

// kernelClock is the real time.
type kernelClock struct{}

// Now implements actors.Clock.
func (kernelClock) Now() *events.Instant {
	var wall, boot unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	return &events.Instant{WallNs: wall.Nano(), BootNs: boot.Nano()}
}

// AfterFunc implements actors.Clock.
func (kernelClock) AfterFunc(wait time.Duration, f func()) func() bool {
	return time.AfterFunc(wait, f).Stop
}

// pass asks what becomes of the daemon at a point. A daemon that is dead stays dead.
func (d *daemon) pass(at point) verdict {
	answer := d.look(at)
	if answer != hold {
		return answer
	}

	select {
	case <-d.died:
		return die
	case <-d.released:
		return proceed
	}
}

// reconnect breaks the connection to containerd; the daemon finds it again.
func (d *daemon) reconnect() {
	d.site.t.Helper()
	d.proxy.stop()

	var err error

	d.proxy, err = newProxy(d.address, server.Address(d.site.world.run), d.call)
	must(d.site.t, err)
}

func (d *daemon) look(at point) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.dead {
		return die
	}

	answer := proceed
	if d.hook != nil {
		answer = d.hook(at)
	}

	if answer == die {
		d.kill()
	}

	d.signal()

	return answer
}

// kill must be called with the lock held.
func (d *daemon) kill() {
	if !d.dead {
		d.dead = true
		close(d.died)
	}
}

func (d *daemon) signal() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// crash leaves everything as the death of the process would: connections break, nothing is flushed. What the next daemon
// finds of the journal are the files as they are at this moment.
func (d *daemon) crash() {
	s := d.site
	s.t.Helper()

	d.mu.Lock()
	d.kill()
	d.mu.Unlock()

	d.proxy.stop()
	must(s.t, d.runtime.Close())
	d.system.Close() // what its actors still say goes nowhere
	d.await("the calls of a dead daemon", func() bool { return d.under("") == 0 })

	s.state = s.image()
	must(s.t, d.journal.Close())
	d.watch.Close()
	s.daemon = nil
}

// image copies the journal's files. Its head is copied last, as it says what must be in the others.
func (s *site) image() string {
	s.t.Helper()

	directory := filepath.Join(filepath.Dir(s.state), "state"+uuid.NewString()[:6])
	must(s.t, os.Mkdir(directory, 0o700))

	files, err := filepath.Glob(filepath.Join(s.state, "journal.*"))
	must(s.t, err)

	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Ext(a), filepath.Ext(b)) })

	for _, path := range files {
		content, err := os.ReadFile(path)
		must(s.t, err)
		must(s.t, os.WriteFile(filepath.Join(directory, filepath.Base(path)), content, 0o600))
	}

	return directory
}

// under counts the calls of a name that are under way; the empty name means all.
func (d *daemon) under(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()

	count := 0

	for other, calls := range d.busy {
		if name == "" || name == other {
			count += calls
		}
	}

	return count
}

// mortalJournal is the real journal until the daemon dies.
type mortalJournal struct {
	*journal.Journal
	daemon *daemon
}

// Append implements actors.Journal.
func (j mortalJournal) Append(decision events.Decision) events.Receipt {
	var kinds []string

	if decision.Command != nil {
		kinds = append(kinds, decision.Command.KindName())
	}

	for _, entry := range decision.Entries {
		kinds = append(kinds, entry.Event.KindName())
	}

	var receipt events.Receipt

	_ = j.daemon.call("append "+strings.Join(kinds, " "), func() error {
		receipt = j.Journal.Append(decision)

		return nil
	})

	return receipt
}

// call makes a call unless the daemon is dead, and forgets its outcome where it has died meanwhile.
func (d *daemon) call(what string, run func() error) error {
	d.count(what, 1)
	defer d.count(what, -1)

	switch d.pass(point{what: what}) {
	case die:
		return errDead
	case fail:
		return fmt.Errorf("%s fails on purpose", what)
	}

	err := run()

	if d.pass(point{what: what, after: true}) == die {
		return errDead
	}

	return err
}

func (d *daemon) count(what string, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.busy[what] += by
	d.signal()
}

// await waits until something holds; it is looked at after each step of the daemon.
func (d *daemon) await(what string, holds func() bool) {
	d.site.t.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()

		d.site.mu.Lock()
		wrote := d.site.wrote
		d.site.mu.Unlock()

		viewed := d.system.Changed()

		if holds() {
			return
		}

		select {
		case <-changed:
		case <-viewed:
		case <-wrote:
		case <-deadline.C:
			view, _ := d.system.View(d.site.id)
			d.site.t.Fatalf("waited in vain for %s; the service is %s, attempt %d: %s", what, view.State, view.Attempt, d.site.said())
		}
	}
}

// said are the newest messages of the service.
func (s *site) said() string {
	var text strings.Builder

	for _, record := range s.records() {
		if record.Event != nil {
			fmt.Fprintf(&text, "\n  %d %s #%d %s: %s", record.Seq, record.State, record.Attempt, record.Kind, record.Message)
		}
	}

	return text.String()
}

// records are all that the journal has of the service.
func (s *site) records() []events.Record {
	var found []events.Record

	err := s.daemon.journal.Replay(s.id, func(record events.Record) bool {
		found = append(found, record)

		return true
	})
	must(s.t, err)

	return found
}

// command gives a person's order, and tells whether it was acknowledged.
func (d *daemon) command(order events.Order) bool {
	ctx, cancel := d.lifetime()
	defer cancel()

	_, err := d.system.Command(ctx, d.site.id, order, &events.Origin{Via: "test"})

	return err == nil && !d.isDead()
}
