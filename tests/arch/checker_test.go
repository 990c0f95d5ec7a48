package arch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// graphOf makes a graph of lines such as "service: spec os".
func graphOf(lines ...string) Graph {
	graph := make(Graph)
	for _, line := range lines {
		name, imports, _ := strings.Cut(line, ":")
		made := &Package{ImportPath: Module + "/" + name}
		for _, path := range strings.Fields(imports) {
			if own, ok := strings.CutPrefix(path, "./"); ok {
				path = Module + "/" + own
			}
			made.Imports = append(made.Imports, path)
		}
		graph[made.ImportPath] = made
	}
	return graph
}

func TestCheckImports(t *testing.T) {
	for name, test := range map[string]struct {
		graph Graph
		want  []string
	}{
		"what the design allows": {graph: graphOf(
			"spec: os github.com/goccy/go-yaml/ast", "events: google.golang.org/protobuf/proto", "condition: ./events",
			"condition/watch: ./condition github.com/fsnotify/fsnotify os", "service: ./spec ./events ./condition time",
			"journal: ./events database/sql modernc.org/sqlite", "actors: ./service github.com/asynkron/protoactor-go/actor",
			"oci: ./service ./oci/logs github.com/containerd/containerd/v2/client", "oci/logs: os", "api: ./api/v1 ./events",
			"api/v1:", "cmd/extactor: ./actors ./oci ./journal ./api ./condition/watch", "examples/hello-world: os",
			"cmd/containerd-shim-extactor-v2: ./oci/exits github.com/containerd/containerd/v2/pkg/shim", "oci/exits:",
		)},
		"own package through another": {
			graph: graphOf("oci: ./oci/logs", "oci/logs: ./journal", "journal:"),
			want:  []string{"oci/logs: must not import journal (oci/logs -> journal)", "oci: must not import journal (oci -> oci/logs -> journal)"},
		},
		"watch beside cmd": {
			graph: graphOf("actors: ./condition/watch", "condition/watch:"),
			want: []string{
				"actors: must not import condition/watch (actors -> condition/watch)",
				"actors: must not import github.com/extactor/extactor/condition/watch, which is for cmd/..., tests/... only",
			},
		},
		"watch from its parent": {
			graph: graphOf("condition: ./condition/watch", "condition/watch:"),
			want: []string{
				"condition: must not import condition/watch (condition -> condition/watch)",
				"condition: must not import github.com/extactor/extactor/condition/watch, which is for cmd/..., tests/... only",
			},
		},
		"a package without a rule": {
			graph: graphOf("util:"),
			want:  []string{"util: no rule says what it may import; add one to mayImport"},
		},
		"libraries in the wrong place": {
			graph: graphOf("api: github.com/containerd/errdefs github.com/asynkron/protoactor-go/actor",
				"cmd/extactor: github.com/goccy/go-yaml database/sql github.com/containerd/containerd/v2/client",
				"spec: sigs.k8s.io/yaml"),
			want: []string{
				"api: must not import github.com/asynkron/protoactor-go/actor, which is for actors/..., tests/... only",
				"api: must not import github.com/containerd/errdefs, which is for oci/..., cmd/containerd-shim-extactor-v2/..., tests/... only",
				"cmd/extactor: must not import database/sql, which is for journal/... only",
				"cmd/extactor: must not import github.com/containerd/containerd/v2/client, which is for oci/..., cmd/containerd-shim-extactor-v2/..., tests/... only",
				"cmd/extactor: must not import github.com/goccy/go-yaml, which is for spec, credentials/talosconfig only",
				"spec: must not import sigs.k8s.io/yaml, which is for no package",
				"spec: must not import the library sigs.k8s.io/yaml",
			},
		},
		"a library in a pure package": {
			graph: graphOf("service: github.com/rs/zerolog"),
			want:  []string{"service: must not import the library github.com/rs/zerolog"},
		},
		"chance": {
			graph: graphOf("events: math/rand/v2", "spec: crypto/rand", "condition: math/rand"),
			want: []string{
				"condition: is pure and must not import math/rand", "events: is pure and must not import math/rand/v2",
				"spec: is pure and must not import crypto/rand",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, CheckImports(test.graph)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServiceIsPure(t *testing.T) {
	for _, path := range []string{
		"os", "os/exec", "net", "net/netip", "sync", "sync/atomic", "context", "log", "log/slog", "math/rand", "math/rand/v2",
		"crypto/rand", "syscall",
	} {
		want := []string{"service: is pure and must not import " + path}
		if diff := cmp.Diff(want, CheckImports(graphOf("service: "+path))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// parsed makes files of pairs of a path and a source text.
func parsed(t *testing.T, pairs ...string) []File {
	t.Helper()
	var files []File
	for i := 0; i < len(pairs); i += 2 {
		file, err := ParseFile(pairs[i], []byte(pairs[i+1]))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func TestCheckClock(t *testing.T) {
	const asks = "package p\nimport clock \"time\"\nvar now = clock.Now\nfunc f() { <-clock.After(1) }\n"
	files := parsed(t,
		"service/a.go", asks, "spec/b.go", "package p\nimport . \"time\"\nvar x Duration\n",
		"events/c.go", "package p\nimport \"time\"\nvar x = time.Second\nvar y = other.Now\n",
		"service/a_test.go", asks, "events/x.pb.go", asks, "actors/a.go", asks, "condition/watch/w.go", asks,
	)
	const reason = ": this package must not ask the clock; take the time as a value"
	want := []string{
		"service/a.go:3: time.Now" + reason, "service/a.go:4: time.After" + reason, "spec/b.go:2: import . \"time\"" + reason,
	}
	if diff := cmp.Diff(want, CheckClock(files)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestCheckSleep(t *testing.T) {
	const sleeps = "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"
	want := []string{"a/a_test.go:3: time.Sleep: a test must not sleep; wait for the event"}
	if diff := cmp.Diff(want, CheckSleep(parsed(t, "a/a_test.go", sleeps, "a/a.go", sleeps))); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestCheckDocs(t *testing.T) {
	const documented, bare = "// Package p is.\npackage p\n", "// Not a comment of the package.\n\npackage p\n"
	files := parsed(t,
		"one/a.go", documented, "one/b.go", bare, "one/c_test.go", bare,
		"none/a.go", bare, "none/a_test.go", documented,
		"two/a.go", documented, "two/b.go", documented,
		"tests/a_test.go", documented, "tests/b_test.go", bare,
		"mixed/a_test.go", documented, "mixed/b.go", documented,
	)
	want := []string{
		"none: 0 files have a package comment []; exactly one must",
		"two: 2 files have a package comment [a.go b.go]; exactly one must",
	}
	if diff := cmp.Diff(want, CheckDocs(files)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestCheckLength(t *testing.T) {
	function := func(signature string, lines int) string {
		return "func " + signature + " {\n" + strings.Repeat("\n", lines-2) + "}\n"
	}
	source := "package p\n" + function("short()", MaxFunction) + function("long()", MaxFunction+1) +
		function("(t *T[K]) method()", 100) + function("(t T) shrunk()", 90) + function("(t T) grown()", 130) + function("cured()", 9)
	known := map[string]int{"a.go:T.method": 100, "a.go:T.shrunk": 95, "a.go:T.grown": 120, "a.go:cured": 100, "a.go:gone": 100}
	want := []string{
		"a.go:T.grown has 130 lines; at most 120 are allowed",
		"a.go:T.shrunk has 90 lines: lower its entry from 95",
		"a.go:cured is not too long any more: take it out of the table",
		"a.go:gone is not too long any more: take it out of the table",
		fmt.Sprintf("a.go:long has %d lines; at most %d are allowed", MaxFunction+1, MaxFunction),
	}
	if diff := cmp.Diff(want, CheckLength(parsed(t, "a.go", source, "a_test.go", source, "x.pb.go", source), known)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
