package picture

import (
	"fmt"
	"math"
	"strings"

	"github.com/extactor/extactor/events"
)

// MapOptions say how a graph is drawn.
type MapOptions struct {
	Host   string // name of the machine; may be empty
	WallNS int64  // when it was so, for a moment of the past; 0: it is not said
	Every  bool   // draw every dependency and every service by itself, also where others say the same
}

// Map draws a graph as SVG. Dependencies that are met and follow from others are left out, and services that depend on
// the same and that nobody needs share a frame, unless the options say otherwise.
func Map(graph Graph, options MapOptions) string {
	m := &mapping{graph: graph, options: options, layout: newLayout(graph, nodeWidth, options.Every)}
	m.top = 116 + lineHeight*float64(len(m.cycles()))
	m.width, m.height = max(m.legend(false)+margin, leastWidth), m.top+60

	for _, block := range m.layout.blocks {
		m.width = max(m.width, block.x+block.width+2*margin+selfLoop)
		m.height = max(m.height, block.y+block.height+m.top+margin)
	}

	m.heading()

	for _, strong := range []bool{false, true} { // what must be seen is drawn last
		for _, link := range m.layout.links {
			if m.strong(link) == strong {
				m.link(link)
			}
		}
	}

	for _, block := range m.layout.blocks {
		m.block(block)
	}

	return m.canvas.document(m.width, m.height, m.title(), m.summary()+" "+strings.Join(m.cycles(), " "))
}

// mapping is the drawing of one graph.
type mapping struct {
	canvas
	graph   Graph
	options MapOptions
	layout  *layout

	top, width, height float64
}

const (
	selfLoop    = 26.0 // room for the arrow of a service that waits for itself
	widestNode  = 230.0
	narrowest   = 120.0
	leastWidth  = 720.0
	strip       = 6.0 // of colour at the left of a node
	nodePadding = 12.0
)

func nodeWidth(node Node) float64 {
	width := widthOf(clean(node.Label()), 12)*1.06 + 2*nodePadding
	if !node.Condition {
		width = max(width, narrowest, widthOf(clean(nodeText(node)), 10)+2*nodePadding)
	} else {
		width += 12
	}

	return math.Ceil(min(width, widestNode))
}

// nodeText is the second line of a service: its state, and why it is not up.
func nodeText(node Node) string {
	note := strings.TrimSpace(node.Note)

	switch {
	case note == "":
		return phaseText(node.Phase)
	case node.Phase == events.StateWaiting:
		return phaseText(node.Phase) + " " + note
	default:
		return phaseText(node.Phase) + ": " + note
	}
}

func phaseText(phase Phase) string {
	switch phase {
	case PhaseRetry:
		return "Waiting to retry"
	case PhaseHealth:
		return "Running, not healthy"
	case phaseUnknown:
		return "Not known"
	default:
		return string(phase)
	}
}

func (m *mapping) title() string {
	title := "Services"
	if m.options.Host != "" {
		title += " of " + m.options.Host
	}

	title += " and what they depend on"

	if m.options.WallNS != 0 {
		title += ", at " + wallText(m.options.WallNS)
	}

	return title
}

func (m *mapping) summary() string {
	services, up, unmet := 0, 0, 0

	for _, node := range m.graph.Nodes {
		if node.Condition {
			continue
		}

		services++

		if node.Phase == events.StateRunning {
			up++
		}
	}

	for _, edge := range m.graph.Edges {
		if !edge.Met {
			unmet++
		}
	}

	dependencies := fmt.Sprintf("%d dependencies", len(m.graph.Edges))
	if len(m.graph.Edges) == 1 {
		dependencies = "1 dependency"
	}

	text := fmt.Sprintf("%s, %d of them up; %s, %d of them unmet.", count(services, "service"), up, dependencies, unmet)
	if !m.options.Every {
		text += " What is met and follows from others is not drawn."
	}

	return text
}

// cycles tells which services wait for each other, one line each.
func (m *mapping) cycles() []string {
	const most = 5

	var lines []string

	for i, cycle := range m.graph.Cycles {
		if i == most {
			lines = append(lines, fmt.Sprintf("And %d more cycles.", len(m.graph.Cycles)-most))

			break
		}

		what := "Services wait for each other: "
		if len(cycle) == 2 {
			what = "A service waits for itself: "
		}

		lines = append(lines, what+strings.Join(cycle, " → "))
	}

	return lines
}

// mapLegend are the phases that a service may stay in.
var mapLegend = []struct {
	phase Phase
	text  string
}{
	{events.StateRunning, "Running"},
	{PhaseHealth, "Running, not healthy"},
	{events.StatePreparing, "Preparing"},
	{events.StateWaiting, "Waiting"},
	{PhaseRetry, "Waiting to retry"},
	{events.StateStopping, "Stopping"},
	{events.StateFinished, "Finished"},
	{events.StateFailed, "Failed"},
	{phaseUnknown, "Not known"},
}

// legend explains what is in the picture, and returns where it ends; it is drawn only where draw is set.
func (m *mapping) legend(draw bool) float64 {
	shown := map[Phase]bool{}
	for _, node := range m.graph.Nodes {
		shown[node.Phase] = true
	}

	x := margin

	for _, entry := range mapLegend {
		if !shown[entry.phase] {
			continue
		}

		if draw {
			m.box(x, 76, 14, 12, 2, phaseClass(entry.phase))
			m.text(x+20, 86, "muted small", "", entry.text)
		}

		x += 20 + widthOf(entry.text, 11) + 16
	}

	for _, entry := range []struct{ class, text string }{{"calm-line", "met"}, {"warn-line", "unmet"}, {"bad-line", "cycle"}} {
		if draw {
			m.line(x, 82, x+30, 82, entry.class)
			m.text(x+38, 86, "muted small", "", entry.text)
		}

		x += 38 + widthOf(entry.text, 11) + 16
	}

	return x
}

func (m *mapping) heading() {
	m.text(margin, 38, "ink title", "", shorten(m.title(), m.width-2*margin, 18))
	m.text(margin, 60, "muted", "", shorten(m.summary(), m.width-2*margin, 12))
	m.legend(true)

	for i, line := range m.cycles() {
		m.text(margin, 112+lineHeight*float64(i), "bad strong", "", shorten(line, m.width-2*margin, 13))
	}
}

// strong tells whether a link stands out.
func (m *mapping) strong(link link) bool { return m.class(link) != "calm-line" }

func (m *mapping) class(link link) string {
	class := "calm-line"

	for _, edge := range link.edges {
		switch edge := m.graph.Edges[edge]; {
		case edge.Cycle:
			return "bad-line"
		case !edge.Met:
			class = "warn-line"
		}
	}

	return class
}

// linkTitle says in words what a link stands for.
func (m *mapping) linkTitle(link link) string {
	const most = 4

	var texts []string

	for i, index := range link.edges {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(link.edges)-most))

			break
		}

		edge := m.graph.Edges[index]
		texts = append(texts, fmt.Sprintf("%s needs %s%s: %s", m.graph.Nodes[edge.To].ID, m.graph.Nodes[edge.From].Label(), completedText(edge), metText(edge)))
	}

	return strings.Join(texts, "; ")
}

func completedText(edge Edge) string {
	if edge.Completed {
		return " to have finished"
	}

	return ""
}

func metText(edge Edge) string {
	if edge.Met {
		return "met"
	}

	return "unmet"
}
