package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// waiting is a service that waits for these conditions.
func waiting(id string, keys ...string) events.View {
	waits := view(id, events.StateWaiting, 1)
	waits.Source = "/s/" + strings.TrimPrefix(id, "ext-") + ".yaml"

	for _, key := range keys {
		waits.Conditions = append(waits.Conditions, events.ConditionView{Key: key, Known: true, Since: events.Moment{BootNS: 40 * second}})
	}

	return waits
}

func with(view events.View, change func(*events.View)) events.View {
	change(&view)

	return view
}

func member(id, needs string, cycle ...string) events.View {
	return with(waiting(id, "service:"+needs), func(v *events.View) { v.Cycle = cycle })
}

// Every way in which a service can be kept from running has a root cause that says what to do.
func TestExplainNamesTheRootCause(t *testing.T) {
	needsB := waiting("ext-a", "service:ext-b")
	inState := func(state string, change func(*events.View)) events.View {
		return with(view("ext-b", state, 1), func(v *events.View) {
			v.Source = "/s/b.yaml"
			change(v)
		})
	}

	for name, test := range map[string]struct {
		views []events.View
		want  []string
	}{
		"up":             {[]events.View{view("ext-a", events.StateRunning, 1)}, nil},
		"path":           {[]events.View{waiting("ext-a", "path:/dev/zfs")}, []string{"file /dev/zfs does not exist; create it or load the module that makes it"}},
		"plain path":     {[]events.View{waiting("ext-a", "path:/var/lib/x")}, []string{"file /var/lib/x does not exist; create it"}},
		"environment":    {[]events.View{waiting("ext-a", "environmentFile:/e")}, []string{"environment file /e does not exist; create it"}},
		"addresses":      {[]events.View{waiting("ext-a", "network:addresses")}, []string{"no interface that is up has an address that is neither loopback nor link-local; configure the network, for example with a DHCP client"}},
		"connectivity":   {[]events.View{waiting("ext-a", "network:connectivity")}, []string{"there is no default route; configure the network: ip route add default via GATEWAY"}},
		"hostname":       {[]events.View{waiting("ext-a", "network:hostname")}, []string{`the host name is not set: it is empty, "localhost" or "(none)"; set it: hostname NAME`}},
		"etcfiles":       {[]events.View{waiting("ext-a", "network:etcfiles")}, []string{"/etc/hosts or /etc/resolv.conf does not exist or is empty; write them"}},
		"time":           {[]events.View{waiting("ext-a", "time")}, []string{"the clock is not synchronised; run a time service, such as chrony or systemd-timesyncd"}},
		"configuration":  {[]events.View{waiting("ext-a", "configuration:a")}, []string{`there is no ExtensionServiceConfig named "a"; apply one: extactor config apply -f FILE`}},
		"two at once":    {[]events.View{waiting("ext-a", "path:/x", "path:/y")}, []string{"file /x does not exist; create it", "file /y does not exist; create it"}},
		"chain":          {[]events.View{needsB, waiting("ext-b", "service:ext-c"), waiting("ext-c", "path:/x")}, []string{"file /x does not exist; create it"}},
		"diamond":        {[]events.View{waiting("ext-a", "service:ext-b", "service:ext-c"), waiting("ext-b", "service:ext-d"), waiting("ext-c", "service:ext-d"), waiting("ext-d", "path:/x")}, []string{"file /x does not exist; create it"}},
		"unknown":        {[]events.View{needsB}, []string{`no service is named "ext-b"; add the service file of "b", or correct the name`}},
		"without ext":    {[]events.View{waiting("ext-a", "service:good"), waiting("ext-good", "time")}, []string{`no service is named "good"; did you mean "ext-good"?`}},
		"unknown host":   {[]events.View{waiting("ext-a", "service:cri")}, []string{`no service is named "cri"; correct the name, or say in extactor.yaml how to tell that this service of the host is up`}},
		"skipped file":   {[]events.View{waiting("ext-a", "service:ext-three")}, []string{`no service is named "ext-three", because three.yaml was skipped (2:3); see: extactor validate /s/three.yaml`}},
		"itself":         {[]events.View{member("ext-a", "ext-a", "ext-a", "ext-a")}, []string{"ext-a waits for itself; remove the dependency from /s/a.yaml"}},
		"cycle":          {[]events.View{member("ext-b", "ext-c", "ext-b", "ext-c", "ext-a", "ext-b"), member("ext-c", "ext-a"), member("ext-a", "ext-b")}, []string{"services wait for each other: ext-a -> ext-b -> ext-c -> ext-a; remove one of these dependencies"}},
		"needs a cycle":  {[]events.View{needsB, member("ext-b", "ext-c", "ext-b", "ext-c", "ext-b"), member("ext-c", "ext-b", "ext-c", "ext-b", "ext-c")}, []string{"services wait for each other: ext-b -> ext-c -> ext-b; remove one of these dependencies"}},
		"stopped":        {[]events.View{needsB, inState(events.StateFinished, func(v *events.View) { v.Desired = events.DesiredStopped })}, []string{"ext-b was stopped by a person; start it: extactor service ext-b start"}},
		"finished":       {[]events.View{needsB, inState(events.StateFinished, func(*events.View) {})}, []string{"ext-b has finished, and its restart policy does not start it again; start it: extactor service ext-b start"}},
		"failed":         {[]events.View{needsB, inState(events.StateFailed, func(v *events.View) { v.Problem = "exited\nwith code 1" })}, []string{"ext-b has failed: exited with code 1; once that is fixed: extactor service ext-b start"}},
		"skipped":        {[]events.View{needsB, inState(events.StateSkipped, func(v *events.View) { v.Problem = "no time" })}, []string{"ext-b was skipped: no time; once that is fixed: extactor service ext-b start"}},
		"preparing":      {[]events.View{needsB, inState(events.StatePreparing, func(v *events.View) { v.Since.BootNS = 95 * second })}, []string{"the container of ext-b is being made; wait for it"}},
		"making hangs":   {[]events.View{needsB, inState(events.StatePreparing, func(v *events.View) { v.Since.BootNS = 40 * second })}, []string{"the container of ext-b has been in the making for 1m0s; something under its mounts, or under its root file system, does not answer: see findmnt, and for what it mounts: extactor oci /s/b.yaml"}},
		"stopping":       {[]events.View{needsB, inState(events.StateStopping, func(*events.View) {})}, []string{"ext-b is stopping; wait for it; after its stop timeout it is killed"}},
		"health":         {[]events.View{needsB, inState(events.StateRunning, func(v *events.View) { v.Health = events.Health{LastMessage: "no answer"} })}, []string{"the health check of ext-b fails: no answer; see: extactor logs ext-b"}},
		"health unknown": {[]events.View{needsB, inState(events.StateRunning, func(v *events.View) { v.HealthCheck = true })}, []string{"the health check of ext-b has not answered yet; wait for it"}},
		"not completed":  {[]events.View{waiting("ext-a", "completed:ext-b"), inState(events.StateRunning, func(*events.View) {})}, []string{"ext-b runs and has not finished yet; wait for it"}},
		"backoff": {[]events.View{needsB, inState(events.StateWaiting, func(v *events.View) {
			v.NextRetry, v.Problem, v.LastExit = 105*second, "exited with code 1", &events.Exit{Known: true, Code: 1}
		})}, []string{"ext-b does not stay up: exited with code 1, it is tried again in 5s; see: extactor logs ext-b"}},
		"cannot be started": {[]events.View{needsB, inState(events.StateWaiting, func(v *events.View) {
			v.NextRetry, v.Problem = 105*second, `cannot start "ext-b": its root file system "/r/b" does not exist: put the files of the container there`
		})}, []string{`cannot start "ext-b": its root file system "/r/b" does not exist: put the files of the container there; it is tried again in 5s; once that is fixed, at once: extactor service ext-b start`}},
		"backoff after a failed start": {[]events.View{needsB, inState(events.StateWaiting, func(v *events.View) {
			v.NextRetry, v.Problem, v.LastExit = 1, "no such file", &events.Exit{Known: true, Code: 137, Signal: 9}
		})}, []string{"ext-b does not stay up: no such file (its task was ended by signal 9 (SIGKILL)), it is tried again in 0s; see: extactor logs ext-b"}},
		"host": {[]events.View{waiting("ext-a", "service:cri"), with(view("cri", events.StateWaiting, 1), func(v *events.View) {
			v.Health = events.Health{LastMessage: "/run/crio.sock refuses"}
		})}, []string{`service "cri" of the host is down: /run/crio.sock refuses; start it, or say in extactor.yaml how to tell that it is up`}},
		"journal": {[]events.View{with(view("journal", events.StateRunning, 1), func(v *events.View) {
			v.Health = events.Health{LastMessage: "the disk is full"}
		})}, []string{"events cannot be recorded: the disk is full; see: extactor journal info; services go on meanwhile"}},
		"containerd": {[]events.View{waiting("ext-a", "service:containerd"), with(view("containerd", events.StateWaiting, 1), func(v *events.View) {
			v.Problem = "no socket"
		})}, []string{"containerd is down: no socket; see its log in the run directory, and extactor events containerd"}},
		"not begun, containerd down": {[]events.View{view("ext-a", events.StateInitialized, 1), view("containerd", events.StateWaiting, 1)}, []string{"containerd is down: it has not answered yet; see its log in the run directory, and extactor events containerd"}},
		"not begun":                  {[]events.View{view("ext-a", events.StateInitialized, 1), view("containerd", events.StateRunning, 1)}, []string{"ext-a has not begun yet; wait for it"}},
		"newer kind":                 {[]events.View{waiting("ext-a", "moon:full")}, []string{"moon:full is not met"}},
	} {
		t.Run(name, func(t *testing.T) {
			rejected := []*events.SpecRejected{{File: "/s/three.yaml", Problems: []string{"2:3"}}}

			reason, causes := explain(test.views[0], test.views, rejected, 100*second)
			if diff := cmp.Diff(test.want, causes); diff != "" {
				t.Error(diff)
			}

			if reason.GetMet() != (test.want == nil) {
				t.Errorf("met %v", reason.GetMet())
			}
		})
	}
}

// outline writes one line for each reason.
func outline(reason *apiv1.Reason, depth int) string {
	text := fmt.Sprintf("%s%s met=%v since=%d why=%q\n", strings.Repeat("  ", depth), reason.GetText(), reason.GetMet(), reason.GetSince().GetBootNs()/second, reason.GetWhy())
	for _, because := range reason.GetBecause() {
		text += outline(because, depth+1)
	}

	return text
}

func TestExplainShowsEveryDependency(t *testing.T) {
	a := waiting("ext-a", "service:cri", "service:ext-b", "service:ext-c", "time")
	a.Since, a.FileProblem = events.Moment{BootNS: 30 * second}, "a.yaml has problems at line:column 1:1"
	a.Conditions[0].Met = true

	cri := with(view("cri", events.StateRunning, 1), func(v *events.View) {
		v.Health = events.Health{Healthy: true, LastMessage: "assumed: no CRI is installed"}
	})

	h := start(t, newServices(a, cri, waiting("ext-b", "service:ext-d"), waiting("ext-c", "service:ext-d"), waiting("ext-d", "path:/x")), newJournal())

	got, err := h.Extactor.Explain(t.Context(), &apiv1.ExplainRequest{Id: "a"})
	if err != nil {
		t.Fatal(err)
	}

	want := `ext-a met=false since=30 why="it is Waiting; its changed file is not used: a.yaml has problems at line:column 1:1"
  service "cri" to be "up" met=true since=40 why="assumed: no CRI is installed"
  service "ext-b" to be "up" met=false since=40 why="it is Waiting"
    service "ext-d" to be "up" met=false since=40 why="it is Waiting"
      file "/x" to exist met=false since=40 why="file /x does not exist"
  service "ext-c" to be "up" met=false since=40 why="it is Waiting"
    service "ext-d" to be "up" met=false since=40 why="it is Waiting; it is explained above"
  time sync met=false since=40 why="the clock is not synchronised"
`
	if diff := cmp.Diff(want, outline(got.GetReason(), 0)); diff != "" {
		t.Error(diff)
	}

	if len(got.GetRootCauses()) != 2 || got.GetNow().GetBootNs() != testNow.GetBootNs() {
		t.Errorf("answer %v", got)
	}

	_, err = h.Extactor.Explain(t.Context(), &apiv1.ExplainRequest{Id: "x"})
	wantStatus(t, err, codes.NotFound, `service "x" is not known; known services: cri, ext-a, ext-b, ext-c, ext-d`)
}
