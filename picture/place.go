package picture

import (
	"fmt"
	"slices"

	"github.com/extactor/extactor/events"
)

// Arrangement is where the nodes of a graph stand and how its links lead, for who draws it again and again with the states
// of other moments.
type Arrangement struct {
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	Nodes  []Place `json:"nodes"`  // as those of the graph
	Frames []Place `json:"frames"` // each around services that depend on the same
	Ways   []Way   `json:"ways"`
}

// Place is the room of a node.
type Place struct {
	X      float64 `json:"x"` // of its left top corner
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Way leads from what is needed to what needs it.
type Way struct {
	Edges   []int   `json:"edges"` // of the graph
	Path    string  `json:"path"`  // as SVG writes it
	X       float64 `json:"x"`     // of the tip of its arrow
	Y       float64 `json:"y"`
	Back    bool    `json:"back,omitempty"`    // the arrow points to the left
	Implied bool    `json:"implied,omitempty"` // follows from others, as long as it is met
}

// Arrange places a graph as Map does.
func Arrange(graph Graph) Arrangement {
	placed := newLayout(graph, steadyWidth, false)
	arrangement := Arrangement{Nodes: make([]Place, len(graph.Nodes)), Frames: []Place{}, Ways: []Way{}}

	for _, block := range placed.blocks {
		arrangement.Width = max(arrangement.Width, block.x+block.width+selfLoop)
		arrangement.Height = max(arrangement.Height, block.y+block.height)

		if len(block.nodes) > 1 {
			arrangement.Frames = append(arrangement.Frames, Place{block.x, block.y, block.width, block.height})
		}

		for i, node := range block.nodes {
			x, y, width := block.inside(i)
			height := nodeHeight

			if graph.Nodes[node].Condition {
				height = conditionHeight
			}

			arrangement.Nodes[node] = Place{x, y, width, height}
		}
	}

	for i, link := range slices.Concat(placed.links, placed.same) {
		way := placed.wayOf(link, 0, 0)
		way.Implied = i >= len(placed.links)
		arrangement.Ways = append(arrangement.Ways, way)
	}

	return arrangement
}

// steadyWidth has room for what services say at any moment.
func steadyWidth(node Node) float64 {
	width := nodeWidth(node)
	if !node.Condition {
		width = max(width, 170)
	}

	return width
}

// wayOf is the way of a link, moved to the right and down. Within a layer all ways are level, so that none leads over
// another node.
func (l *layout) wayOf(link link, right, down float64) Way {
	from, to := l.blocks[link.from], l.blocks[link.to]
	x, y := right+from.x+from.width, down+from.y+from.height/2

	if link.from == link.to {
		return Way{Edges: link.edges, Path: numbered("M%s %sc%s %s %s %s %s %s", x, y-6, selfLoop, -22, selfLoop, 34, 4, 12), X: x, Y: y + 6, Back: true}
	}

	way := Way{Edges: link.edges, X: right + to.x, Y: down + to.y + to.height/2}
	if link.reversed {
		way.X, way.Y, way.Back = x, y, true
	}

	edge := right + from.x + l.widths[from.layer]
	way.Path, x = numbered("M%s %sH%s", x, y, edge), edge

	for _, bend := range link.bends {
		block := l.blocks[bend]
		nextX, nextY := right+block.x, down+block.y+block.height/2
		way.Path += numbered("C%s %s %s %s %s %sH%s", (x+nextX)/2, y, (x+nextX)/2, nextY, nextX, nextY, nextX+block.width)
		x, y = nextX+block.width, nextY
	}

	endX, endY := right+to.x, down+to.y+to.height/2
	way.Path += numbered("C%s %s %s %s %s %s", (x+endX)/2, y, (x+endX)/2, endY, endX, endY)

	return way
}

// inside is where the node of an index stands, and how wide it is.
func (b block) inside(index int) (x, y, width float64) {
	if len(b.nodes) <= 1 {
		return b.x, b.y, b.width
	}

	width = (b.width - 2*blockPadding - nodeGap*float64(b.columns-1)) / float64(b.columns)
	rows := (len(b.nodes) + b.columns - 1) / b.columns
	column, row := index/rows, index%rows

	return b.x + blockPadding + float64(column)*(width+nodeGap), b.y + blockPadding + float64(row)*(nodeHeight+nodeGap/2), width
}

// numbered replaces every %s by one of the numbers.
func numbered(format string, numbers ...float64) string {
	texts := make([]any, len(numbers))
	for i, value := range numbers {
		texts[i] = number(value)
	}

	return fmt.Sprintf(format, texts...)
}

// Describe tells what a service does, and in a few words how it is.
func Describe(view events.View) (Phase, string) {
	node := Node{Phase: PhaseOf(view, false), Note: noteOf(view)}

	return node.Phase, nodeText(node)
}

// ConditionLabel words the key of a condition.
func ConditionLabel(key string) string { return conditionLabel(key) }

// OfService tells whether the condition of a key is about a service.
func OfService(key string) bool { return serviceOf(key) != "" }
