package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/credentials/talosconfig"
)

func TestRoutes(t *testing.T) {
	one := &talosconfig.Context{Name: "one", Endpoints: []string{"node-a:50001"}, Nodes: []string{"node-a"}}
	behind := &talosconfig.Context{Name: "behind", Endpoints: []string{"lb.example", "lb2.example"}, Nodes: []string{"10.5.0.2"}}
	fleet := &talosconfig.Context{Name: "fleet", Endpoints: []string{"10.5.0.2", "10.5.0.3:50001"}, Nodes: []string{"10.5.0.2", "10.5.0.3", "10.5.0.4"}}
	bare := &talosconfig.Context{Name: "bare", Endpoints: []string{"a", "b:1"}}

	for name, test := range map[string]struct {
		context          *talosconfig.Context
		nodes, endpoints []string
		want             []route
	}{
		"the node of a context, at its endpoint": {one, nil, nil, []route{{"node-a", "node-a:50001", ""}}},
		"by way of another endpoint":             {behind, nil, nil, []route{{"10.5.0.2", "lb.example", "10.5.0.2"}}},
		"all nodes of a context": {fleet, nil, nil, []route{
			{"10.5.0.2", "10.5.0.2", ""}, {"10.5.0.3", "10.5.0.3:50001", ""}, {"10.5.0.4", "10.5.0.4", ""},
		}},
		"endpoints only":                 {bare, nil, nil, []route{{"a", "a", ""}, {"b:1", "b:1", ""}}},
		"some nodes":                     {fleet, []string{"10.5.0.3", "10.5.0.9", "10.5.0.3"}, nil, []route{{"10.5.0.3", "10.5.0.3:50001", ""}, {"10.5.0.9", "10.5.0.9", ""}}},
		"a node, not that of":            {behind, []string{"10.5.0.9"}, nil, []route{{"10.5.0.9", "10.5.0.9", ""}}},
		"a port":                         {one, []string{"node-a:7"}, nil, []route{{"node-a:7", "node-a:7", ""}}},
		"an endpoint for one":            {fleet, []string{"10.5.0.2"}, []string{"127.0.0.1:1234"}, []route{{"10.5.0.2", "127.0.0.1:1234", "10.5.0.2"}}},
		"its own, with a port":           {fleet, []string{"10.5.0.2"}, []string{"10.5.0.2:1234"}, []route{{"10.5.0.2", "10.5.0.2:1234", ""}}},
		"endpoints are asked themselves": {fleet, nil, []string{"10.5.0.3", "x"}, []route{{"10.5.0.3", "10.5.0.3:50001", ""}, {"x", "x", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := routesTo(test.context, test.nodes, test.endpoints)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(route{})); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}

	for want, test := range map[string]struct {
		context          *talosconfig.Context
		nodes, endpoints []string
	}{
		"nothing is passed on":                    {fleet, []string{"a", "b"}, []string{"c"}},
		"one leads to the node, and here are 2":   {fleet, []string{"a"}, []string{"b", "c"}},
		"has neither nodes nor endpoints":         {&talosconfig.Context{Name: "x"}, nil, nil},
		`context "y": endpoint "a b" is neither`:  {&talosconfig.Context{Name: "y", Nodes: []string{"a b"}}, nil, nil},
		`endpoint "https://a": without https://`:  {fleet, []string{"https://a"}, nil},
		`endpoint "a:0": a certificate is for a `: {fleet, []string{"a:0"}, nil},
	} {
		if got, err := routesTo(test.context, test.nodes, test.endpoints); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v %v, not %q", got, err, want)
		}
	}
}

// Nothing is asked of another machine because there is a talosconfig, or a variable of Talos: only because it is said.
func TestRemoteOnlyWhenSaid(t *testing.T) {
	t.Setenv("TALOSCONFIG", "/nowhere/talosconfig")
	t.Setenv(socketVariable, "/nowhere/extactor.sock")

	for _, test := range []struct{ variable, args, want string }{
		{"", "info", "no extactor daemon answers at /nowhere/extactor.sock"},
		{"", "info -n 10.5.0.2", `cannot read the talosconfig "/nowhere/talosconfig"`},
		{"", "-n 10.5.0.2 info", `cannot read the talosconfig "/nowhere/talosconfig"`},
		{"", "info --context x", `cannot read the talosconfig "/nowhere/talosconfig"`},
		{"", "info --talosconfig /other", `cannot read the talosconfig "/other"`},
		{"/third", "info", `cannot read the talosconfig "/third"`},
		{"/third", "info --talosconfig /other", `cannot read the talosconfig "/other"`},
		{"/third", "info --socket /nowhere/s", "no extactor daemon answers at /nowhere/s"},
		{"/third", "events --journal /nowhere/j", "cannot open journal"},
	} {
		t.Setenv(talosconfigVariable, test.variable)

		application, _, stderr := testApp()
		if code := application.run(t.Context(), strings.Fields(test.args)); code != exitFailed || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s=%s %s: %d %s not %q", talosconfigVariable, test.variable, test.args, code, stderr, test.want)
		}
	}
}

// A script in which a variable is not set asks nobody, rather than somebody else.
func TestEmptyFlagsNameNobody(t *testing.T) {
	t.Setenv(socketVariable, furnished().open(t))
	t.Setenv(talosconfigVariable, "/nowhere/talosconfig")

	for _, flag := range []string{"--nodes", "-n", "--endpoints", "--context", "--talosconfig", "--socket"} {
		for _, words := range [][]string{{"service", "hello-world", "stop", flag, ""}, {flag, "", "service", "hello-world", "stop"}} {
			application, stdout, stderr := testApp()
			if code := application.run(t.Context(), words); code != exitUsage || stdout.Len() > 0 || !strings.Contains(stderr.String(), " is empty: it does not say which daemon is meant; see: ") {
				t.Errorf("%q: %d %s %s", words, code, stdout, stderr)
			}
		}
	}
}
