package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

const (
	testBoot  = "0d47fd31-93c2-4227-a0d3-4d9a78757244"
	otherBoot = "11111111-93c2-4227-a0d3-4d9a78757244"
	second    = int64(time.Second)
)

// testClock is 2026-01-02T03:04:05Z, 1000 s after boot.
func testClock() clock {
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()

	return clock{wallNS: wall, bootNS: 1000 * second, bootID: testBoot}
}

// places are those of an ordinary daemon.
var places = &apiv1.Places{
	Services: "/usr/local/etc/containers", Rootfs: "/usr/local/lib/containers", Config: "/etc/extactor/config",
	State: "/var/lib/extactor", Run: "/run/extactor", Containerd: "/run/extactor/containerd/containerd.sock", Embedded: true,
	Namespace: "extactor", Cgroup: "/extactor", OciRuntime: "/usr/sbin/runc",
	Listen: []string{"192.0.2.7:50000", "[2001:db8::7]:50000"},
}

// ago is a moment of this boot. Its wall clock is nonsense: in early boot it often is.
func ago(seconds int64) events.Moment {
	return events.Moment{WallNS: seconds * second, BootNS: (1000 - seconds) * second}
}

// house is a daemon's services, journal and logs in memory.
type house struct {
	keeper  api.Keeper // none by default
	mu      sync.Mutex
	views   map[string]events.View
	changed chan struct{}
	records []events.Record
	past    api.History // none by default
	log     string

	configDir string // of documents
	reject    []*events.SpecRejected
	trouble   []events.View // what makeTrouble adds
}

// makeTrouble adds the services that have some, and files that are not used.
func (h *house) makeTrouble() {
	h.reject = []*events.SpecRejected{{File: "/s/three.yaml", Problems: []string{"2:3", "4:1"}}}
	h.set(h.trouble...)
}

func (h *house) set(views ...events.View) {
	h.mu.Lock()
	defer h.mu.Unlock()

	for _, view := range views {
		h.views[view.ID] = view
	}

	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *house) Views() []events.View {
	h.mu.Lock()
	defer h.mu.Unlock()

	views := make([]events.View, 0, len(h.views))
	for _, view := range h.views {
		views = append(views, view)
	}

	slices.SortFunc(views, func(a, b events.View) int { return cmp.Compare(a.ID, b.ID) })

	return views
}

func (h *house) View(id string) (events.View, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	view, ok := h.views[id]

	return view, ok
}

func (h *house) Rejected() []*events.SpecRejected { return h.reject }

func (h *house) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.changed
}

func (h *house) Command(_ context.Context, id string, order events.Order, _ *events.Origin) (uint64, error) {
	if id == "containerd" {
		return 0, errors.New(`cannot stop "containerd": it is built in`)
	}

	if _, stop := order.(*events.StopService); stop {
		view, _ := h.View(id)
		view.State, view.PID = events.StateFinished, 0
		view.Revision++
		h.set(view)
	}

	return 99, nil
}

func (h *house) Tail(service string, n int) ([]events.Record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()

	var found []events.Record

	for _, record := range h.records {
		if service == "" || record.Service == service {
			found = append(found, record)
		}
	}

	return found[max(0, len(found)-n):], nil
}

// write adds a record.
func (h *house) write(record events.Record) {
	h.mu.Lock()
	h.records = append(h.records, record)
	h.mu.Unlock()
	h.set()
}

func (h *house) Subscribe(after uint64) api.Subscription { return &reader{h, after} }

// reader reads what is recorded, and what follows.
type reader struct {
	house *house
	after uint64
}

func (r *reader) Next(ctx context.Context) (events.Record, error) {
	for {
		changed := r.house.Changed()

		records, _ := r.house.Tail("", math.MaxInt)
		if at := slices.IndexFunc(records, func(record events.Record) bool { return record.Seq > r.after }); at >= 0 {
			r.after = records[at].Seq

			return records[at], nil
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return events.Record{}, ctx.Err()
		}
	}
}

func (r *reader) Close() {}

// Open finds lines as the files of logs do: by when they came, one a minute up to now. Several services take turns.
func (h *house) Open(_ context.Context, services []string, query api.LogQuery) (io.ReadCloser, error) {
	var wanted []string

	lines := slices.Collect(strings.Lines(h.log))
	for number, line := range lines {
		at := time.Unix(0, testClock().wallNS).Add(time.Duration(number-len(lines)+1) * time.Minute)
		if at.Before(query.Since) || !query.Until.IsZero() && at.After(query.Until) {
			continue
		}

		if len(services) > 1 {
			line = services[number%len(services)] + ": " + line
		}

		if query.Timestamps {
			line = at.UTC().Format("2006-01-02T15:04:05.000Z ") + line
		}

		wanted = append(wanted, line)
	}

	if query.Tail >= 0 {
		wanted = wanted[max(0, len(wanted)-query.Tail):]
	}

	return io.NopCloser(strings.NewReader(strings.Join(wanted, ""))), nil
}

func (h *house) IDs() ([]string, error) { return nil, nil }

// furnished is a house with one service of every kind that looks different.
func furnished() *house {
	hello := events.NewView("ext-hello-world")
	hello.State, hello.BootID, hello.SinceBootID, hello.PID, hello.Attempt, hello.Revision = events.StateRunning, testBoot, testBoot, 1100, 1, 20
	hello.Since, hello.Source = ago(167), "/usr/local/etc/containers/hello-world.yaml"
	hello.Recent = []events.Line{
		line(11, 169, events.StateWaiting, `Waiting for service "containerd" to be "up", network`),
		line(12, 168, events.StateWaiting, `Waiting for service "containerd" to be "up"`),
		line(14, 167, events.StatePreparing, "Running pre state"),
		line(16, 167, events.StatePreparing, "Creating service runner"),
		line(20, 167, events.StateRunning, "Started task ext-hello-world (PID 1100) for container ext-hello-world"),
	}

	containerd := events.NewView("containerd")
	containerd.State, containerd.BootID, containerd.SinceBootID, containerd.Since, containerd.Revision = events.StateRunning, testBoot, testBoot, ago(168), 10
	containerd.Health = events.Health{Healthy: true}
	containerd.Recent = []events.Line{line(10, 168, events.StateRunning, "Connected to containerd")}

	retry := events.NewView("ext-retry")
	retry.State, retry.BootID, retry.SinceBootID, retry.Since, retry.Revision = events.StateWaiting, testBoot, testBoot, ago(3), 30
	retry.Attempt, retry.Restarts, retry.NextRetry, retry.Problem = 4, 3, 1009*second, "exited with code 1\nand <a> \x1b[2Jtrick"
	retry.LastExit = &events.Exit{Known: true, Code: 1}
	retry.Health = events.Health{LastMessage: "no answer"}
	retry.Recent = []events.Line{line(30, 3, events.StateWaiting, "Going to restart in 12s: exited with code 1")}

	waiting := events.NewView("ext-waiting")
	waiting.State, waiting.BootID, waiting.SinceBootID, waiting.Since, waiting.Revision = events.StateWaiting, testBoot, testBoot, ago(60), 25
	waiting.Conditions = []events.ConditionView{{Key: "network:addresses", Known: true, Text: "network", Since: ago(60)}}
	waiting.Recent = []events.Line{line(25, 60, events.StateWaiting, "Waiting for network")}

	// It crashes again and again, with another process and another delay each time.
	crash := events.NewView("ext-crash")
	crash.State, crash.BootID, crash.SinceBootID, crash.Since, crash.Revision, crash.Source = events.StateWaiting, testBoot, testBoot, ago(2), 29, "/s/crash.yaml"
	crash.NextRetry, crash.Problem, crash.LastExit = 1004*second, "exited with code 1", &events.Exit{Known: true, Code: 1}
	crash.Conditions = []events.ConditionView{{Key: "service:containerd", Known: true, Met: true, Since: ago(150)}}
	crash.Recent = append(crash.Recent, line(1, 150, events.StateWaiting, "Waiting for network"))

	for i := range int64(7) {
		crash.Recent = append(crash.Recent,
			line(1, 122-20*i, events.StatePreparing, "Running pre state"),
			line(1, 122-20*i, events.StateRunning, fmt.Sprintf("Started task ext-crash (PID %d)", 500+i)),
			line(1, 122-20*i, events.StateWaiting, fmt.Sprintf("Going to restart in %s: exited with code 1", time.Duration(100<<i)*time.Millisecond)))
	}

	// Everything that is shown only where there is something.
	knot := events.NewView("ext-knot")
	knot.State, knot.BootID, knot.SinceBootID, knot.Since, knot.Revision, knot.Source = events.StateRunning, testBoot, testBoot, ago(30), 28, "/s/knot.yaml"
	knot.Cycle, knot.Applied, knot.Wanted = []string{"ext-knot", "ext-loop", "ext-knot"}, "old", "new"
	knot.FileProblem, knot.Health = "knot.yaml has problems at line:column 3:1", events.Health{LastMessage: "no answer"}
	knot.Conditions = []events.ConditionView{{Key: "service:ext-loop", Known: true, Since: ago(30)}}

	deep := events.NewView("ext-deep")
	deep.State, deep.BootID, deep.SinceBootID, deep.Since, deep.Revision, deep.Source = events.StateWaiting, testBoot, testBoot, ago(40), 27, "/s/deep.yaml"
	deep.Conditions = []events.ConditionView{
		{Key: "service:containerd", Known: true, Met: true, Since: ago(168)},
		{Key: "service:ext-waiting", Known: true, Since: ago(40)},
		{Key: "path:/dev/zfs", Known: true, Since: ago(40)},
	}

	h := &house{
		views: map[string]events.View{}, changed: make(chan struct{}), log: "one\ntwo\nthree\n",
		records: []events.Record{
			record(10, 168, "", "", "extactor v1 started (PID 1)"),
			record(20, 167, "ext-hello-world", events.StateRunning, "Started task"),
			record(30, 3, "ext-retry", events.StateWaiting, "Going to restart"),
		},
	}
	h.set(hello, containerd, retry, waiting, events.NewView("ext-new"))
	h.trouble = []events.View{crash, knot, deep}

	return h
}

func line(seq uint64, seconds int64, state, message string) events.Line {
	return events.Line{Seq: seq, State: state, Message: message, At: ago(seconds), BootID: testBoot}
}

func record(seq uint64, seconds int64, service, state, message string) events.Record {
	at := ago(seconds)

	return events.Record{
		Seq: seq, BootID: testBoot, Service: service, State: state, Message: message, Kind: "TaskStarted", Attempt: 1,
		WallNS: at.WallNS, BootNS: at.BootNS, Decision: seq, Origin: &events.Origin{Uid: 0, Pid: 7, Via: "cli"},
	}
}

// open serves the house and returns its socket.
func (h *house) open(t *testing.T) string {
	t.Helper()

	socket := filepath.Join(t.TempDir(), api.SocketName)

	listener, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}

	h.serve(t, func(ctx context.Context, server *api.Server) error { return server.Serve(ctx, listener) })

	return socket
}

// serve has a server answer for the house until the test ends.
func (h *house) serve(t *testing.T, run func(context.Context, *api.Server) error) {
	t.Helper()

	if h.configDir == "" {
		h.configDir = filepath.Join(t.TempDir(), "config")
	}

	now := testClock()
	server := api.New(api.Options{
		Services: h, Keeper: h.keeper, Journal: h, Past: h.past, Logs: h, Configs: h.stored(), Files: h.stored(), Commands: commands{}, BootID: testBoot, Version: api.Version{Tag: "v1.2.3"},
		Now:  func() *events.Instant { return &events.Instant{WallNs: now.wallNS, BootNs: now.bootNS} },
		Host: api.Host{Instance: "c6f0e0f4-0000-4000-8000-000000000000", Started: &events.Instant{WallNs: now.wallNS - 60*second, BootNs: now.bootNS - 60*second}, Places: func() *apiv1.Places { return places }},
	})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)

	go func() { served <- run(ctx, server) }()

	t.Cleanup(func() {
		cancel()

		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// testApp writes into buffers, at a fixed moment on a fixed node, without colours.
func testApp() (application *app, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}

	return &app{
		stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, node: "172.20.0.5", clock: testClock,
		paint: func() palette { return palette{lipgloss.Style{}, lipgloss.Style{}, lipgloss.Style{}} },
	}, stdout, stderr
}
