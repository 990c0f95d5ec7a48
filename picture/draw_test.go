package picture

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var draw = flag.String("draw", "", "write the pictures of these tests into this directory, to be looked at")

// TestDraw draws everything, also at a size that no golden file has; with -draw for people to look at:
// go test ./picture -run TestDraw -draw /tmp/pictures
func TestDraw(t *testing.T) {
	directory := *draw
	if directory == "" {
		directory = t.TempDir()
	}

	for name, picture := range map[string]string{
		"plot-5":      Plot(bootOf(five(), testBoot, 0), PlotOptions{Host: "node-1"}),
		"plot-5-deps": Plot(bootOf(five(), testBoot, 0), PlotOptions{Host: "node-1", Dependencies: true, Length: 1 << 40}),
		"plot-vpn":    Plot(bootOf(five(), testBoot, 0), PlotOptions{Host: "node-1", Service: "ext-vpn"}),
		"plot-200":    Plot(bootOf(many(200, 1), testBoot, 0), PlotOptions{Host: "node-1", Dependencies: true}),
		"graph-5":     Map(NewGraph(viewsOf(five())), MapOptions{Host: "node-1"}),
		"graph-knot":  Map(NewGraph(knot()), MapOptions{Host: "node-1"}),
		"graph-200":   Map(NewGraph(viewsOf(many(200, 1))), MapOptions{Host: "node-1"}),
		"graph-every": Map(NewGraph(viewsOf(many(200, 1))), MapOptions{Host: "node-1", Every: true}),
	} {
		checkInside(t, parse(t, picture))

		if err := os.WriteFile(filepath.Join(directory, name+".svg"), []byte(picture), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
