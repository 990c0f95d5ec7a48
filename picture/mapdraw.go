package picture

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// link draws the way from one block to another, with an arrow at who needs the other.
func (m *mapping) link(link link) {
	class := m.class(link)
	way := m.layout.wayOf(link, margin, m.top)

	m.open("g")
	m.content("title", m.linkTitle(link))
	m.element("path", attribute{"class", class}, attribute{"d", way.Path})

	direction := 1.0
	if way.Back {
		direction = -1
	}

	m.arrow(class, way.X, way.Y, direction)
	m.close("g")
}

// arrow draws a head that points to the right, or to the left for -1.
func (m *mapping) arrow(line string, x, y, direction float64) {
	class := map[string]string{"calm-line": "muted", "warn-line": "warn", "bad-line": "bad"}[line]
	m.path(class, "M%s %sl%s -4v8z", x, y, -7*direction)
}

// block draws a node, or a frame with several.
func (m *mapping) block(block block) {
	x, y := margin+block.x, m.top+block.y

	switch {
	case block.bend:
		return
	case len(block.nodes) == 1:
		m.node(m.graph.Nodes[block.nodes[0]], x, y, block.width)

		return
	}

	m.open("g")
	m.content("title", fmt.Sprintf("%d services that depend on the same", len(block.nodes)))
	m.box(x, y, block.width, block.height, 8, "frame")
	m.close("g")

	for i, node := range block.nodes {
		x, y, width := block.inside(i)
		m.node(m.graph.Nodes[node], margin+x, m.top+y, width)
	}
}

func (m *mapping) node(node Node, x, y, width float64) {
	m.open("g", attribute{"class", "node"})
	m.content("title", nodeTitle(node))

	if node.Condition {
		m.condition(node, x, y, width)
		m.close("g")

		return
	}

	m.box(x, y, width, nodeHeight, 5, "panel")
	m.box(x, y, strip, nodeHeight, 2, phaseClass(node.Phase))

	line := "frame"

	switch {
	case node.Cycle || node.Phase == events.StateFailed || node.Phase == phaseUnknown:
		line = "bad-line"
	case node.Phase == PhaseRetry || node.Phase == PhaseHealth:
		line = "warn-line solid"
	}

	m.box(x, y, width, nodeHeight, 5, line)

	class := "muted tiny"
	switch line {
	case "bad-line":
		class = "bad tiny"
	case "warn-line solid":
		class = "warn tiny"
	}

	m.text(x+strip+nodePadding/2, y+17, "ink strong", "", shorten(node.Label(), (width-strip-nodePadding)/1.04, 12))
	m.text(x+strip+nodePadding/2, y+32, class, "", shorten(nodeText(node), width-strip-nodePadding, 10))
	m.close("g")
}

// condition draws a small node with round ends; a hook or a cross says whether it is met.
func (m *mapping) condition(node Node, x, y, width float64) {
	line, sign := "good-line", "M%s %sl3 3l6 -7"
	if node.Phase != PhaseMet {
		line, sign = "warn-line solid", "M%s %sm0 -4l8 8m0 -8l-8 8"
	}

	m.box(x, y, width, conditionHeight, conditionHeight/2, "panel")
	m.box(x, y, width, conditionHeight, conditionHeight/2, strings.Replace(line, "good-line", "frame", 1))
	m.path(line, sign, x+9, y+conditionHeight/2)
	m.text(x+24, y+conditionHeight/2+4, "ink small", "", shorten(node.Label(), width-32, 11))
}

// nodeTitle tells all of a node in words.
func nodeTitle(node Node) string {
	if node.Condition {
		return node.Label() + ": " + strings.ToLower(string(node.Phase))
	}

	text := fmt.Sprintf("%s: %s", node.ID, nodeText(node))
	if node.Cycle {
		text += "; it waits for itself"
	}

	return text
}
