package dashboard

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/events"
)

// deadline is how long a test waits for what must come.
const deadline = 30 * time.Second

// house is a daemon's services, journal, logs and counters in memory.
type house struct {
	api.Services
	mu      sync.Mutex
	views   []events.View
	changed chan struct{}
	silent  chan struct{} // counters are read once it is closed; nil: at once
}

func (h *house) set(views ...events.View) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.views = views
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *house) Views() []events.View {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.views
}

func (h *house) View(id string) (events.View, bool) {
	for _, view := range h.Views() {
		if view.ID == id {
			return view, true
		}
	}

	return events.View{}, false
}

func (h *house) Rejected() []*events.SpecRejected { return nil }

func (h *house) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.changed
}

func (h *house) Command(context.Context, string, events.Order, *events.Origin) (uint64, error) {
	return 1, nil
}

func (h *house) Open(ctx context.Context, services []string, _ api.LogQuery) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("printed by "+services[0]+"\n"), endless{ctx})), nil
}

func (h *house) IDs() ([]string, error) { return nil, nil }

// endless has nothing to read until its context ends.
type endless struct{ ctx context.Context }

func (e endless) Read([]byte) (int, error) {
	<-e.ctx.Done()

	return 0, e.ctx.Err()
}

func (h *house) Usages(ids []string) (map[string]api.Usage, error) {
	h.mu.Lock()
	silent := h.silent
	h.mu.Unlock()

	if silent != nil {
		<-silent
	}

	usages := map[string]api.Usage{}
	for _, id := range ids {
		usages[id] = api.Usage{CPU: time.Second, Memory: 1 << 20}
	}

	return usages, nil
}

// history has one record of each service.
type history struct{ api.Journal }

func (history) Tail(service string, _ int) ([]events.Record, error) {
	return []events.Record{{Seq: 1, Service: service, Message: "happened to " + service}}, nil
}

func (history) Subscribe(uint64) api.Subscription { return nothingNew{} }

type nothingNew struct{}

func (nothingNew) Next(ctx context.Context) (events.Record, error) {
	<-ctx.Done()

	return events.Record{}, ctx.Err()
}

func (nothingNew) Close() {}

// serve answers on the socket until stop is called.
func (h *house) serve(t *testing.T, socket string) (stop func()) {
	t.Helper()

	listener, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)

	go func() {
		ended <- api.New(api.Options{
			Services: h, Journal: history{}, Logs: h, Meters: h, Now: func() *events.Instant { return &events.Instant{BootNs: 1} },
		}).Serve(ctx, listener)
	}()

	return sync.OnceFunc(func() {
		cancel()

		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// watched is a feed whose messages a test waits for.
type watched struct {
	*daemonFeed
	messages chan tea.Msg
}

func watch(t *testing.T, socket string, impatient bool) watched {
	t.Helper()

	w := watched{newDaemonFeed(socket, func() (*api.Client, error) { return api.Dial(socket) }), make(chan tea.Msg)}
	if impatient {
		w.patience = pace * 10
	}

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		w.run(ctx, func(message tea.Msg) {
			select {
			case w.messages <- message:
			case <-ctx.Done():
			}
		})
	}()

	t.Cleanup(func() {
		cancel()
		<-ended
	})

	return w
}

// await returns the next message of a type that is as it should be.
func await[T tea.Msg](t *testing.T, w watched, right func(T) bool) T {
	t.Helper()

	late := time.After(deadline)

	for {
		select {
		case message := <-w.messages:
			if expected, ok := message.(T); ok && right(expected) {
				return expected
			}
		case <-late:
			t.Fatalf("no %T came that is as it should be", *new(T))
		}
	}
}

func anyOf[T tea.Msg](T) bool { return true }

func running(id string) events.View {
	view := events.NewView(id)
	view.State, view.PID = events.StateRunning, 7

	return view
}

func newHouse(views ...events.View) *house {
	return &house{views: views, changed: make(chan struct{})}
}

// The feed tells how services are, follows what is selected, comes back when the daemon does, and tells everything again.
func TestFeed(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	w := watch(t, socket, false)

	if away := await(t, w, anyOf[awayMsg]); away.reason != "no daemon answers at "+socket {
		t.Errorf("reason: %s", away.reason)
	}

	if answer := w.give(order{"ext-a", "stop"}); answer != (answerMsg{"cannot stop ext-a: no daemon answers", true}) {
		t.Errorf("answer: %+v", answer)
	}

	h := newHouse(running("ext-a"), running("ext-b"))
	stop := h.serve(t, socket)

	for round := range uint64(2) {
		picture := await(t, w, func(p pictureMsg) bool { return p.whole })
		if len(picture.response.GetServices()) != 2 {
			t.Fatalf("picture: %v", picture.response)
		}

		for _, id := range []string{"ext-a", "ext-b"} {
			w.want(wants{followed: id, printed: true, measured: []string{id}})

			seen := map[string]bool{}
			for len(seen) < 3 { // in any order
				switch message := (<-w.messages).(type) {
				case eventsMsg:
					seen["events"] = seen["events"] || message.id == id && message.fresh && message.records[0].GetMessage() == "happened to "+id
				case logMsg:
					seen["log"] = seen["log"] || message.id == id && message.fresh && string(message.text) == "printed by "+id+"\n"
				case usageMsg:
					seen["usage"] = seen["usage"] || message.ids[0] == id && message.response.GetStats()[0].GetMemoryBytes() == 1<<20
				case awayMsg:
					t.Fatalf("away: %s", message.reason)
				}

				for name, right := range seen {
					if !right {
						delete(seen, name)
					}
				}
			}
		}

		answered := make(chan answerMsg, 1)
		go func() { answered <- w.give(order{"ext-a", "restart"}) }()

		if answer := <-answered; answer != (answerMsg{`Service "ext-a" restarted`, false}) {
			t.Errorf("answer: %+v", answer)
		}

		stopped := running("ext-b")
		stopped.State, stopped.Revision = events.StateFinished, 9+round
		h.set(running("ext-a"), stopped)

		await(t, w, func(p pictureMsg) bool {
			return !p.whole && len(p.response.GetServices()) == 1 && p.response.GetServices()[0].GetState() == events.StateFinished
		})

		ended := make(chan struct{})
		go func() { stop(); close(ended) }()

		await(t, w, anyOf[awayMsg])
		<-ended

		stop = h.serve(t, socket)
	}

	stop()
}

// A daemon that hangs is told from one that is gone: its socket takes connections, but there is never an answer.
func TestFeedOfHangingDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")

	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	if away := await(t, watch(t, socket, true), anyOf[awayMsg]); away.reason != "the daemon at "+socket+" does not answer" {
		t.Errorf("reason: %s", away.reason)
	}
}

// A daemon that begins to hang is found by the counters that it does not tell any more.
func TestFeedOfDaemonThatBeginsToHang(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	h := newHouse(running("ext-a"))
	h.silent = make(chan struct{})
	stop := h.serve(t, socket)
	w := watch(t, socket, true)

	await(t, w, anyOf[pictureMsg])
	w.want(wants{measured: []string{"ext-a"}})

	if away := await(t, w, anyOf[awayMsg]); away.reason != "the daemon at "+socket+" does not answer" {
		t.Errorf("reason: %s", away.reason)
	}

	close(h.silent)
	await(t, w, anyOf[usageMsg])

	ended := make(chan struct{})
	go func() { stop(); close(ended) }()

	await(t, w, anyOf[awayMsg])
	<-ended
}

// What comes faster than it can be shown is skipped, and that is said.
func TestHandSkipsTheOldest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	const most, all = 10, 1000

	next := 0
	exhausted := make(chan struct{})
	read := func() (int, error) {
		if next == all {
			close(exhausted)
			<-ctx.Done()

			return 0, ctx.Err()
		}

		next++

		return next, nil
	}

	total, skips, last := 0, 0, 0

	hand(ctx, most, read, func(some []int, fresh, skipped bool, _ error) {
		<-exhausted // it is slow

		if fresh != (total == 0) || len(some) > most {
			t.Errorf("%d at once, fresh %v after %d", len(some), fresh, total)
		}

		if skipped {
			skips++
		}

		for _, one := range some {
			if one <= last {
				t.Errorf("%d after %d", one, last)
			}

			last = one
		}

		if total += len(some); last == all {
			cancel()
		}
	})

	if skips == 0 || last != all || total > 2*most {
		t.Errorf("%d of %d came, with %d skips, the last is %d", total, all, skips, last)
	}
}
