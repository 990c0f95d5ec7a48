package picture

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata with what is drawn now")

// Every byte of some small pictures. Rewrite with: go test ./picture -run TestGolden -rewrite, and look at them.
func TestGolden(t *testing.T) {
	boot := bootOf(five(), testBoot, 0)

	for name, got := range map[string]string{
		"boot.svg":              Plot(boot, PlotOptions{Host: "node-1"}),
		"boot-dependencies.svg": Plot(boot, PlotOptions{Host: "node-1", Dependencies: true, Length: 1 << 40}),
		"boot-not-up.svg":       Plot(boot, PlotOptions{Service: "ext-vpn"}),
		"boot-empty.svg":        Plot(bootOf(nil, testBoot, 0), PlotOptions{}),
		"graph.svg":             Map(NewGraph(viewsOf(five())), MapOptions{Host: "node-1"}),
		"graph-all.svg":         Map(NewGraph(viewsOf(five())), MapOptions{Host: "node-1", Every: true}),
		"graph-knot.svg":        Map(NewGraph(knot()), MapOptions{}),
		"graph-knot.dot":        DOT(NewGraph(knot())),
		"graph-knot.mmd":        Mermaid(NewGraph(knot())),
		"graph-empty.svg":       Map(NewGraph(nil), MapOptions{}),
	} {
		path := filepath.Join("testdata", name)

		if *rewrite {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}

		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
