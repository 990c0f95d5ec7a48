package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// Who follows the events of several nodes sees those of the past in the order of their time, whichever node answers first,
// and then, none left out and none twice, what happens on any of them.
func TestFollowFleet(t *testing.T) {
	at := func(seconds int64, seq uint64, message string) events.Record {
		return events.Record{Seq: seq, WallNS: testClock().wallNS + seconds*second, Service: "ext-a", Message: message}
	}

	one, two := furnished(), furnished()
	one.records = []events.Record{at(1, 7, "first"), at(4, 8, "fourth")}
	two.records = []events.Record{at(2, 500, "second"), at(3, 501, "third"), at(5, 502, "fifth")}

	path, nodes := openFleet(t, one, two)
	lines, stderr, end := followed(t, "--talosconfig", path, "events", "--tail", "-1", "-f")

	next := func(node, message string) {
		t.Helper()

		if !lines.Scan() {
			t.Fatalf("no line %q from %s: %v", message, node, stderr)
		}

		if words := strings.Fields(lines.Text()); words[0] != node || words[len(words)-1] != message {
			t.Fatalf("%q, not %s ... %s", lines.Text(), node, message)
		}
	}

	next("NODE", "EVENT")
	next(nodes[0], "first")
	next(nodes[1], "second")
	next(nodes[1], "third")
	next(nodes[0], "fourth")
	next(nodes[1], "fifth")

	two.write(at(7, 503, "sixth"))
	next(nodes[1], "sixth")
	one.write(at(6, 9, "seventh"))
	next(nodes[0], "seventh")

	if code := end(); code == 0 || !strings.Contains(stderr.String(), "nothing listens there") {
		t.Errorf("with a node that does not answer: code %d, %s", code, stderr)
	}
}

// The rows of all nodes stand under one heading.
func TestWatchFleet(t *testing.T) {
	path, nodes := openFleet(t, furnished(), furnished())
	lines, _, end := followed(t, "--talosconfig", path, "status", "--watch", "containerd")

	lines.Scan()
	heading := lines.Text()

	for range nodes {
		lines.Scan()

		for title, field := range map[string]string{"SERVICE": "containerd", "STATE": "Running", "HEALTH": "OK", "LAST CHANGE": "2m48s ago", "LAST EVENT": "Connected"} {
			if strings.Index(heading, title) != strings.Index(lines.Text(), field) {
				t.Errorf("%s is not under its heading:\n%s\n%s", title, heading, lines.Text())
			}
		}
	}

	end()
}

// Who waits for several nodes is told which of them is there, in whatever order.
func TestWaitFleet(t *testing.T) {
	path, nodes := openFleet(t, furnished(), furnished())
	application, stdout, stderr := testApp()

	code := application.run(t.Context(), []string{"--talosconfig", path, "-n", strings.Join(nodes, ","), "wait", "containerd"})
	for _, node := range nodes {
		if code != 0 || !strings.Contains(stdout.String(), node+": containerd is up\n") {
			t.Errorf("%s: %d %s %s", node, code, stdout, stderr)
		}
	}
}

// openFleet serves each house as a node, and writes a talosconfig in which they are the nodes, and one that does not answer.
func openFleet(t *testing.T, houses ...*house) (path string, nodes []string) {
	t.Helper()

	set, err := credentials.Create(t.TempDir(), credentials.Options{Names: []string{"127.0.0.1"}, Replace: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	for _, house := range houses {
		listener, err := api.ListenNetwork("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}

		nodes = append(nodes, listener.Addr().String())
		house.serveNode(t, set, listener)
	}

	path = filepath.Join(t.TempDir(), "talosconfig")
	writeContexts(t, path, set, append(slices.Clone(nodes), closedPort(t)), map[string]*credentials.Authority{
		"reader": set.Authority, "admin": set.Authority, "other": set.Authority,
	})

	return path, nodes
}

// followed runs a command that goes on until end is called, which demands that nothing was printed but what was read, and
// returns the exit code.
func followed(t *testing.T, words ...string) (lines *bufio.Scanner, stderr *bytes.Buffer, end func() (code int)) {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	application, _, stderr := testApp()
	application.stdout = write

	ended := make(chan int, 1)

	go func() {
		ended <- application.run(ctx, words)
		write.Close()
	}()

	lines = bufio.NewScanner(read)

	return lines, stderr, func() int {
		t.Helper()
		cancel()

		for lines.Scan() {
			t.Errorf("%q came as well", lines.Text())
		}

		return <-ended
	}
}

// What was asked for may end before anything more can come.
func TestGoesOn(t *testing.T) {
	now := time.Now().UnixNano()

	for name, test := range map[string]struct {
		until *apiv1.Point
		want  bool
	}{
		"without an end":         {nil, true},
		"up to a later record":   {&apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 8}}, true},
		"up to the newest one":   {&apiv1.Point{Kind: &apiv1.Point_Seq{Seq: 7}}, false},
		"up to tomorrow":         {&apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: now + 24*3600*second}}, true},
		"up to yesterday":        {&apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: now - 24*3600*second}}, false},
		"up to a minute ago":     {&apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: 60 * second}}, false},
		"up to the last restart": {&apiv1.Point{Kind: &apiv1.Point_Boot{Boot: "0"}}, false},
	} {
		if got := goesOn(test.until, 7); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()

	listener, err := api.ListenNetwork("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	listener.Close()

	return listener.Addr().String()
}
