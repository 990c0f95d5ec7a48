package api

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

const (
	bootID    = "0d47fd31-93c2-4227-a0d3-4d9a78757244"
	otherBoot = "11111111-93c2-4227-a0d3-4d9a78757244"
	second    = int64(time.Second)
)

// testNow is the server's clock: 100 s after boot, at a wall clock that has jumped far ahead since.
var testNow = &events.Instant{WallNs: 2_000_000_000 * second, BootNs: 100 * second}

// fakeServices is a Services whose views the test sets.
type fakeServices struct {
	mu      sync.Mutex
	views   map[string]events.View
	changed chan struct{}
	reject  []*events.SpecRejected
	command func(id string, order events.Order, origin *events.Origin) (uint64, error)
}

func newServices(views ...events.View) *fakeServices {
	services := &fakeServices{views: map[string]events.View{}, changed: make(chan struct{})}
	services.set(views...)

	return services
}

func (f *fakeServices) set(views ...events.View) {
	f.mu.Lock()
	defer f.mu.Unlock()

	for _, view := range views {
		f.views[view.ID] = view
	}

	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeServices) remove(id string) {
	f.mu.Lock()
	delete(f.views, id)
	f.mu.Unlock()
	f.set()
}

func (f *fakeServices) Views() []events.View {
	f.mu.Lock()
	defer f.mu.Unlock()

	views := make([]events.View, 0, len(f.views))
	for _, view := range f.views {
		views = append(views, view)
	}

	slices.SortFunc(views, func(a, b events.View) int { return cmp.Compare(a.ID, b.ID) })

	return views
}

func (f *fakeServices) View(id string) (events.View, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	view, ok := f.views[id]

	return view, ok
}

func (f *fakeServices) Rejected() []*events.SpecRejected {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.reject
}

func (f *fakeServices) setRejected(rejected ...*events.SpecRejected) {
	f.mu.Lock()
	f.reject = rejected
	f.mu.Unlock()
	f.set()
}

func (f *fakeServices) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.changed
}

func (f *fakeServices) Command(_ context.Context, id string, order events.Order, origin *events.Origin) (uint64, error) {
	return f.command(id, order, origin)
}

// fakeJournal is a Journal in memory, and what it tells of the past.
type fakeJournal struct {
	History // for what no test asks

	mu      sync.Mutex
	records []events.Record
	grown   chan struct{}
	floor   uint64
}

func newJournal(records ...events.Record) *fakeJournal {
	return &fakeJournal{records: records, grown: make(chan struct{})}
}

func (f *fakeJournal) add(records ...events.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.records = append(f.records, records...)
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fakeJournal) Tail(service string, n int) ([]events.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	var found []events.Record

	for _, record := range f.records {
		if record.Message != "" && (service == "" || record.Service == service) {
			found = append(found, record)
		}
	}

	return found[max(0, len(found)-n):], nil
}

// all are the records so far.
func (f *fakeJournal) all() []events.Record {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.records
}

func (f *fakeJournal) Select(_ context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	return history.In(f.all())(wanted, yield)
}

func (f *fakeJournal) Each(_ context.Context, after, until uint64, yield func(events.Record) bool) error {
	for _, record := range f.all() {
		if record.Seq > after && record.Seq <= until && !yield(record) {
			return nil
		}
	}

	return nil
}

// newest returns the newest record that passes.
func (f *fakeJournal) newest(passes func(events.Record) bool) (seq uint64) {
	for _, record := range f.all() {
		if passes(record) {
			seq = record.Seq
		}
	}

	return seq
}

func (f *fakeJournal) Newest(_ context.Context, wallNS int64) (uint64, error) {
	return f.newest(func(record events.Record) bool { return record.WallNS <= wallNS }), nil
}

func (f *fakeJournal) Before(_ context.Context, now events.Moment, _ string, ago time.Duration) (uint64, error) {
	return f.newest(func(record events.Record) bool { return record.BootNS <= now.BootNS-int64(ago) }), nil
}

func (f *fakeJournal) Boots(context.Context) (boots []events.Boot, _ error) {
	for _, record := range f.all() {
		at := events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}

		if len(boots) == 0 || boots[len(boots)-1].ID != record.BootID {
			boots = append(boots, events.Boot{ID: record.BootID, First: record.Seq, Began: at})
		}

		boots[len(boots)-1].Last, boots[len(boots)-1].Ended = record.Seq, at
	}

	return boots, nil
}

func (f *fakeJournal) Floor(context.Context) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.floor, nil
}

func (f *fakeJournal) Subscribe(after uint64) Subscription {
	return &fakeSubscription{journal: f, after: after}
}

type fakeSubscription struct {
	journal *fakeJournal
	after   uint64
}

func (s *fakeSubscription) Next(ctx context.Context) (events.Record, error) {
	for {
		s.journal.mu.Lock()
		grown, records := s.journal.grown, s.journal.records
		s.journal.mu.Unlock()

		for _, record := range records {
			if record.Seq > s.after {
				s.after = record.Seq

				return record, nil
			}
		}

		select {
		case <-grown:
		case <-ctx.Done():
			return events.Record{}, ctx.Err()
		}
	}
}

func (s *fakeSubscription) Close() {}

// fakeLogs gives out one text; with follow it goes on until the context ends, which it reports.
type fakeLogs struct {
	text    string
	asked   chan logRequest
	stopped chan struct{}
	ids     []string
}

// IDs implements Logs.
func (f *fakeLogs) IDs() ([]string, error) { return f.ids, nil }

type logRequest struct {
	services string // separated by commas
	query    LogQuery
}

func (f *fakeLogs) Open(ctx context.Context, services []string, query LogQuery) (io.ReadCloser, error) {
	f.asked <- logRequest{strings.Join(services, ","), query}

	return io.NopCloser(&fakeLog{ctx: ctx, text: bytes.NewBufferString(f.text), follow: query.Follow, stopped: f.stopped}), nil
}

type fakeLog struct {
	ctx     context.Context
	text    *bytes.Buffer
	follow  bool
	stopped chan struct{}
}

func (f *fakeLog) Read(into []byte) (int, error) {
	if f.text.Len() == 0 && f.follow {
		<-f.ctx.Done()
		close(f.stopped)

		return 0, f.ctx.Err()
	}

	return f.text.Read(into)
}

// harness is a server on a socket of its own with a client.
type harness struct {
	*Client
	services *fakeServices
	journal  *fakeJournal
	logs     *fakeLogs
	host     *fakeHost
	machine  *fakeMachine
	socket   string
	server   *Server
	stop     func() error // ends the server and returns what Serve returned
}

func start(t testing.TB, services *fakeServices, journal *fakeJournal) *harness {
	t.Helper()

	h := &harness{
		services: services, journal: journal, socket: filepath.Join(t.TempDir(), SocketName),
		logs: &fakeLogs{asked: make(chan logRequest, 1), stopped: make(chan struct{})}, host: &fakeHost{}, machine: &fakeMachine{},
	}

	listener, err := Listen(h.socket)
	if err != nil {
		t.Fatal(err)
	}

	server := New(Options{
		Services: services, Journal: journal, Past: journal, Logs: h.logs, BootID: bootID,
		Configs: h.host, Files: h.host, Commands: h.host, Meters: h.host, Tasks: h.host, Machine: h.machine,
		Now:     func() *events.Instant { return testNow },
		Version: Version{Tag: "v1.2.3", SHA: "abc", Built: "2026-01-02T03:04:05Z"},
		Host:    Host{Places: func() *apiv1.Places { return &apiv1.Places{} }},
	})

	h.server = server
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)

	go func() { served <- server.Serve(ctx, listener) }()

	h.stop = sync.OnceValue(func() error {
		cancel()

		return <-served
	})

	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	})

	h.Client, err = Dial(h.socket)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { h.Close() })

	return h
}

func view(id, state string, revision uint64) events.View {
	view := events.NewView(id)
	view.State, view.Revision, view.BootID, view.SinceBootID = state, revision, bootID, bootID

	return view
}

func record(seq uint64, service, state, message string) events.Record {
	return events.Record{
		Seq: seq, Service: service, State: state, Message: message, BootID: bootID, Kind: "TaskStarted",
		WallNS: int64(seq) * second, BootNS: int64(seq) * second,
	}
}
