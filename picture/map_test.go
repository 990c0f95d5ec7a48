package picture

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
)

// services of any kind that depend on each other in any way, also in circles and on nobody.
func anyViews() *rapid.Generator[[]events.View] {
	return rapid.Custom(func(t *rapid.T) []events.View {
		ids := rapid.SliceOfNDistinct(rapid.OneOf(rapid.SampledFrom([]string{"containerd", "ext-a", "ext-b", "time"}), anyText()), 0, 12, rapid.ID).Draw(t, "ids")
		keys := []string{"time", "network:addresses", "path:" + rapid.SampledFrom(hostile).Draw(t, "path"), "service:nobody", "completed:no<body>"}

		for _, id := range ids {
			if id != "" {
				keys = append(keys, "service:"+id, "completed:"+id)
			}
		}

		var views []events.View

		for _, id := range ids {
			view := events.NewView(id)
			view.State = rapid.SampledFrom(append(events.States(), "Unheard")).Draw(t, "state")
			view.NextRetry, view.Problem = rapid.Int64Range(0, 1).Draw(t, "retry"), anyText().Draw(t, "problem")
			view.Health.Unknown = rapid.Bool().Draw(t, "health")

			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 4, rapid.ID).Draw(t, "keys") {
				view.Conditions = append(view.Conditions, events.ConditionView{Key: key, Known: true, Met: rapid.Bool().Draw(t, "met")})
			}

			views = append(views, view)
		}

		return views
	})
}

// Whatever depends on what, each service is there once, nothing overlaps, nothing is outside and nothing breaks out.
func TestMapOfAnyServices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := anyViews().Draw(t, "views")
		graph := NewGraph(views)
		options := MapOptions{Host: anyText().Draw(t, "host"), Every: rapid.Bool().Draw(t, "every")}

		for i, view := range views {
			found := 0

			for _, node := range graph.Nodes {
				if node.ID == view.ID && !node.Condition && node.Phase != phaseUnknown {
					found++
				}
			}

			if found != 1 {
				t.Errorf("service %d %q is there %d times", i, view.ID, found)
			}
		}

		picture := Map(graph, options)
		all := parse(t, picture)
		checkInside(t, all)
		checkApart(t, graph, all)
		checkBlocks(t, newLayout(graph, nodeWidth, options.Every))

		slices.Reverse(views)

		if again := Map(NewGraph(views), options); again != picture {
			t.Error("the same services gave another picture")
		}
	})
}

// checkApart: each node was drawn once, and no two overlap.
func checkApart(t fataler, graph Graph, all []drawn) {
	var boxes []drawn

	titles := 0

	for _, element := range all {
		if element.name == "g" && element.has("node") {
			titles++
		}

		if element.parent == "node" && element.name == "rect" && element.has("panel") {
			boxes = append(boxes, element)
		}
	}

	if titles != len(graph.Nodes) || len(boxes) != len(graph.Nodes) {
		t.Errorf("%d nodes, %d were drawn as %d boxes", len(graph.Nodes), titles, len(boxes))
	}

	for i, a := range boxes {
		for _, b := range boxes[:i] {
			if a.length("x") < b.length("x")+b.length("width") && b.length("x") < a.length("x")+a.length("width") &&
				a.length("y") < b.length("y")+b.length("height") && b.length("y") < a.length("y")+a.length("height") {
				t.Errorf("%v overlaps %v", a.attributes, b.attributes)
			}
		}
	}
}

// checkBlocks: links are level within a layer and have a place of their own there, so that none leads over a node; all but
// those that were turned lead to the right.
func checkBlocks(t fataler, l *layout) {
	for _, layer := range l.layers {
		for i := 1; i < len(layer); i++ {
			above, below := l.blocks[layer[i-1]], l.blocks[layer[i]]
			if above.y+above.height > below.y+0.01 {
				t.Errorf("in layer %d, %+v is not above %+v", above.layer, above, below)
			}
		}
	}

	for _, link := range l.links {
		if link.from != link.to && l.blocks[link.from].layer >= l.blocks[link.to].layer {
			t.Errorf("link %+v does not lead to the right", link)
		}

		if want := l.blocks[link.to].layer - l.blocks[link.from].layer - 1; link.from != link.to && len(link.bends) != want {
			t.Errorf("link %+v crosses %d layers", link, want)
		}
	}
}

// What is left out follows from what is drawn: every dependency is still a way of links, and what is unmet is a link.
func TestNothingIsLostByLeavingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		graph := NewGraph(anyViews().Draw(t, "views"))
		l := newLayout(graph, nodeWidth, false)
		reach := make(map[[2]int]bool)

		for _, link := range l.links {
			reach[[2]int{link.from, link.to}] = true
		}

		for middle := range l.blocks {
			for from := range l.blocks {
				for to := range l.blocks {
					if reach[[2]int{from, middle}] && reach[[2]int{middle, to}] {
						reach[[2]int{from, to}] = true
					}
				}
			}
		}

		for i, edge := range graph.Edges {
			from, to := l.of[edge.From], l.of[edge.To]
			drawn := slices.ContainsFunc(l.links, func(link link) bool { return slices.Contains(link.edges, i) })

			if !drawn && (!edge.Met || edge.Cycle || edge.Completed || !reach[[2]int{from, to}]) {
				t.Errorf("edge %+v is lost", edge)
			}
		}
	})
}

// A service is marked as part of a cycle exactly where it can be reached from itself, and each cycle that is told is one.
func TestCyclesAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		graph := NewGraph(anyViews().Draw(t, "views"))
		needs, reach := map[[2]string]bool{}, map[[2]int]bool{}

		for _, edge := range graph.Edges {
			reach[[2]int{edge.From, edge.To}] = true
			needs[[2]string{graph.Nodes[edge.To].ID, graph.Nodes[edge.From].ID}] = true
		}

		for middle := range graph.Nodes {
			for from := range graph.Nodes {
				for to := range graph.Nodes {
					if reach[[2]int{from, middle}] && reach[[2]int{middle, to}] {
						reach[[2]int{from, to}] = true
					}
				}
			}
		}

		for i, node := range graph.Nodes {
			if node.Cycle != reach[[2]int{i, i}] {
				t.Errorf("%q: cycle %v", node.ID, node.Cycle)
			}
		}

		for _, edge := range graph.Edges {
			if want := edge.From == edge.To || reach[[2]int{edge.To, edge.From}]; edge.Cycle != want {
				t.Errorf("edge %+v closes a cycle: %v", edge, want)
			}
		}

		for _, cycle := range graph.Cycles {
			if len(cycle) < 2 || cycle[0] != cycle[len(cycle)-1] {
				t.Errorf("cycle %q", cycle)
			}

			for i := range cycle[1:] {
				if !needs[[2]string{cycle[i], cycle[i+1]}] {
					t.Errorf("cycle %q: %q does not need %q", cycle, cycle[i], cycle[i+1])
				}
			}
		}
	})
}

// Graphviz and Mermaid get texts that cannot end early: as many quotes as there are texts, and one line for each statement.
func TestOtherFormatsAreEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		graph := NewGraph(anyViews().Draw(t, "views"))
		dot, mermaid := DOT(graph), Mermaid(graph)

		if lines := strings.Count(dot, "\n"); lines != 4+len(graph.Nodes)+len(graph.Edges) {
			t.Errorf("%d lines of DOT:\n%s", lines, dot)
		}

		for _, line := range strings.Split(mermaid, "\n") {
			before, text, quoted := strings.Cut(line, `"`)
			if !quoted {
				continue
			}

			text, after, _ := strings.Cut(text, `"`)
			if strings.ContainsAny(strings.ReplaceAll(text, "<br/>", ""), "<>&`%{}[]\\") || strings.ContainsAny(after, `"`) || !strings.HasPrefix(before, "    n") {
				t.Errorf("line of Mermaid: %s", line)
			}
		}

		for _, line := range strings.Split(dot, "\n") {
			quotes := strings.Count(strings.NewReplacer(`\\`, "", `\"`, "").Replace(line), `"`)
			if quotes%2 != 0 {
				t.Errorf("line of DOT: %s", line)
			}
		}
	})
}

func TestNewGraph(t *testing.T) {
	graph := NewGraph(knot())

	want := [][]string{{"ext-a", "ext-c", "ext-b", "ext-a"}, {"ext-self", "ext-self"}}
	if diff := cmp.Diff(want, graph.Cycles); diff != "" {
		t.Errorf("cycles (-want +got):\n%s", diff)
	}

	texts := map[string]string{}
	for _, node := range graph.Nodes {
		texts[node.Label()] = string(node.Phase) + "|" + node.Note
	}

	for label, want := range map[string]string{
		"ext-lost": "Waiting|for ext-nobody, network addresses", "ext-nobody": "Unknown|no service has this name", "network addresses": "Unmet|",
		"time sync": "Met|", "ext-sick": "Unhealthy|no answer on port 80", "ext-failed": "Failed|cannot start: no such file or directory",
		"ext-done": "Finished|",
	} {
		if texts[label] != want {
			t.Errorf("%s is %q, want %q", label, texts[label], want)
		}
	}
}

// Texts have a contrast of at least 4.5 on both grounds, in light and in dark (WCAG 2, AA); lines that mean something one of 3.
func TestContrast(t *testing.T) {
	find := func(class string) colour {
		return colours[slices.IndexFunc(colours, func(colour colour) bool { return colour.class == class })]
	}

	for class, least := range map[string]float64{
		"ink": 4.5, "muted": 4.5, "accent": 4.5, "bad": 4.5, "warn": 4.5, "accent-line": 3, "bad-line": 3, "warn-line": 3, "good-line": 3, "wait-line": 3,
	} {
		for _, ground := range []string{"ground", "panel"} {
			front, back := find(class), find(ground)
			for name, pair := range map[string][2]string{"light": {front.light, back.light}, "dark": {front.dark, back.dark}} {
				if got := contrast(t, pair[0], pair[1]); got < least {
					t.Errorf("%s on %s in %s has a contrast of %.2f, want %.1f", class, ground, name, got, least)
				}
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()

	light, dark := luminance(t, a), luminance(t, b)

	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()

	var sum float64

	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		value, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}

		channel := float64(value) / 255
		if channel <= 0.04045 {
			channel /= 12.92
		} else {
			channel = math.Pow((channel+0.055)/1.055, 2.4)
		}

		sum += weight * channel
	}

	return sum
}

func BenchmarkMap(b *testing.B) {
	for _, services := range []int{5, 200} {
		b.Run(fmt.Sprint(services, "services"), func(b *testing.B) {
			views := viewsOf(many(services, 1))
			for b.Loop() {
				Map(NewGraph(views), MapOptions{})
			}
		})
	}
}
