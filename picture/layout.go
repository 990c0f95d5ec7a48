package picture

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// layout places a graph in layers from left to right: what is needed stands left of what needs it.
type layout struct {
	graph  Graph
	blocks []block
	of     []int // block of each node
	links  []link
	same   []link    // that are not drawn, because others say the same
	layers [][]int   // blocks from top to bottom
	widths []float64 // of each layer
}

// block is what is placed as a whole: one node, several that depend on the same and that nobody needs, or only the way of
// a link through a layer that it crosses.
type block struct {
	nodes         []int
	columns       int
	layer         int
	bend          bool
	x, y          float64 // of its left top corner
	width, height float64
}

// link is one or more edges between the same blocks, with the blocks in between that it bends through.
type link struct {
	from, to  int // blocks; from stands left of to, except where it is the same
	edges     []int
	reversed  bool // the edge leads from right to left, because it closes a cycle
	bends     []int
	redundant bool // others say the same
}

// The sizes of what stands in a graph.
const (
	nodeHeight      = 40.0
	conditionHeight = 26.0
	nodeGap         = 14.0
	blockPadding    = 10.0
	layerGap        = 84.0
	bendHeight      = 4.0
	leastTwins      = 4 // so many alike are put into one frame
)

// newLayout places the nodes, whose widths are given for services and conditions. Where every is not set, links that
// follow from others are left out.
func newLayout(graph Graph, width func(Node) float64, every bool) *layout {
	l := &layout{graph: graph, of: make([]int, len(graph.Nodes))}
	l.group(every)

	for i := range l.blocks {
		l.blocks[i].measure(graph, width)
	}

	l.link()
	l.rank()

	if !every {
		l.reduce()
	}

	l.bend()
	l.arrange()
	l.place()

	return l
}

// group makes the blocks.
func (l *layout) group(every bool) {
	needed := make([]bool, len(l.graph.Nodes))
	kinds := make([][]string, len(l.graph.Nodes))

	for _, edge := range l.graph.Edges {
		needed[edge.From] = true
		kinds[edge.To] = append(kinds[edge.To], fmt.Sprint(edge.From, edge.Completed, edge.Met))
	}

	alike := map[string][]int{}
	key := func(node int) string {
		slices.Sort(kinds[node])

		if every || needed[node] || l.graph.Nodes[node].Condition || len(kinds[node]) == 0 {
			return fmt.Sprint("alone ", node)
		}

		return strings.Join(kinds[node], ";")
	}

	for node := range l.graph.Nodes {
		alike[key(node)] = append(alike[key(node)], node)
	}

	for node := range l.graph.Nodes {
		twins := alike[key(node)]
		if len(twins) < leastTwins {
			twins = []int{node}
		}

		if twins[0] == node {
			l.blocks = append(l.blocks, block{nodes: twins, columns: columnsFor(len(twins))})
		}

		l.of[node] = len(l.blocks) - 1
		if twins[0] != node {
			l.of[node] = l.of[twins[0]]
		}
	}
}

// columnsFor makes a frame of many about as wide as it is high.
func columnsFor(nodes int) int {
	return max(1, int(math.Ceil(math.Sqrt(float64(nodes)/4))))
}

func (b *block) measure(graph Graph, width func(Node) float64) {
	for _, node := range b.nodes {
		b.width = max(b.width, width(graph.Nodes[node]))
	}

	b.height = nodeHeight
	if graph.Nodes[b.nodes[0]].Condition {
		b.height = conditionHeight
	}

	if len(b.nodes) > 1 {
		rows := (len(b.nodes) + b.columns - 1) / b.columns
		b.width = b.width*float64(b.columns) + nodeGap*float64(b.columns-1) + 2*blockPadding
		b.height = nodeHeight*float64(rows) + nodeGap/2*float64(rows-1) + 2*blockPadding
	}
}

// link joins the edges between the same two blocks. Edges that lead back to where a walk along them came from are turned.
func (l *layout) link() {
	turned := l.backward()
	index := map[[2]int]int{}

	for i, edge := range l.graph.Edges {
		from, to, reversed := l.of[edge.From], l.of[edge.To], turned[i]
		if reversed {
			from, to = to, from
		}

		key := [2]int{from, to}

		at, known := index[key]
		if !known || l.links[at].reversed != reversed {
			at = len(l.links)
			index[key] = at
			l.links = append(l.links, link{from: from, to: to, reversed: reversed})
		}

		l.links[at].edges = append(l.links[at].edges, i)
	}
}

// backward finds edges without which the graph has no cycle.
func (l *layout) backward() map[int]bool {
	leaving := make([][]int, len(l.graph.Nodes))
	for i, edge := range l.graph.Edges {
		leaving[edge.From] = append(leaving[edge.From], i)
	}

	turned, state := map[int]bool{}, make([]int, len(l.graph.Nodes))

	var visit func(int)

	visit = func(node int) {
		state[node] = 1

		for _, i := range leaving[node] {
			switch to := l.graph.Edges[i].To; {
			case state[to] == 1 && to != node:
				turned[i] = true
			case state[to] == 0:
				visit(to)
			}
		}

		state[node] = 2
	}

	for node := range l.graph.Nodes {
		if state[node] == 0 {
			visit(node)
		}
	}

	return turned
}

// rank gives each block its layer: right of all that it needs, and conditions close to who needs them.
func (l *layout) rank() {
	for changed := true; changed; {
		changed = false

		for _, link := range l.links {
			if from, to := &l.blocks[link.from], &l.blocks[link.to]; link.from != link.to && to.layer <= from.layer {
				to.layer, changed = from.layer+1, true
			}
		}
	}

	nearest := map[int]int{}

	for _, link := range l.links {
		if at, known := nearest[link.from]; link.from != link.to && (!known || l.blocks[link.to].layer < at) {
			nearest[link.from] = l.blocks[link.to].layer
		}
	}

	for i := range l.blocks {
		if layer, known := nearest[i]; known && l.graph.Nodes[l.blocks[i].nodes[0]].Condition {
			l.blocks[i].layer = layer - 1
		}
	}
}

// reduce leaves out links that are met where a longer way says the same.
func (l *layout) reduce() {
	order := make([]int, len(l.blocks))
	for i := range order {
		order[i] = i
	}

	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(l.blocks[b].layer, l.blocks[a].layer) })

	leaving := make([][]int, len(l.blocks))
	for _, link := range l.links {
		leaving[link.from] = append(leaving[link.from], link.to)
	}

	reach := make([]map[int]bool, len(l.blocks)) // in two steps or more, or in one

	for _, from := range order {
		reach[from] = map[int]bool{}

		for _, to := range leaving[from] {
			for further := range reach[to] {
				reach[from][further] = true
			}
		}

		far := reach[from]
		for i := range l.links {
			if link := &l.links[i]; link.from == from && far[link.to] && !l.matters(*link) {
				link.redundant = true
			}
		}

		for _, to := range leaving[from] {
			if to != from {
				far[to] = true
			}
		}
	}

	l.links = slices.DeleteFunc(l.links, func(link link) bool {
		if link.redundant {
			l.same = append(l.same, link)
		}

		return link.redundant
	})
}

// matters tells whether a link has an edge that must be seen.
func (l *layout) matters(link link) bool {
	return slices.ContainsFunc(link.edges, func(edge int) bool {
		return !l.graph.Edges[edge].Met || l.graph.Edges[edge].Cycle || l.graph.Edges[edge].Completed
	})
}

// bend gives each link a place in every layer that it crosses. Links that begin together go together as far as they can.
func (l *layout) bend() {
	type stop struct{ from, layer int }

	stops := map[stop]int{}

	for i := range l.links {
		link := &l.links[i]
		for layer := l.blocks[link.from].layer + 1; layer < l.blocks[link.to].layer; layer++ {
			at, known := stops[stop{link.from, layer}]
			if !known {
				at = len(l.blocks)
				stops[stop{link.from, layer}] = at
				l.blocks = append(l.blocks, block{layer: layer, bend: true, height: bendHeight})
			}

			link.bends = append(link.bends, at)
		}
	}
}
