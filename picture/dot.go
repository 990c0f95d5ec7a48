package picture

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// DOT writes the graph in the language of Graphviz, with every dependency.
func DOT(graph Graph) string {
	var out strings.Builder

	out.WriteString("digraph extactor {\n\trankdir=LR;\n\tnode [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fillcolor=\"#f4f6f9\"];\n")

	for i, node := range graph.Nodes {
		shape := ""
		if node.Condition {
			shape = ", shape=ellipse"
		}

		fmt.Fprintf(&out, "\tn%d [label=%s, fillcolor=%s, color=%s%s];\n", i, quoteDOT(node.Label(), nodeTextOf(node)), quoteDOT(fillOf(node.Phase)), quoteDOT(borderOf(node)), shape)
	}

	for _, edge := range graph.Edges {
		fmt.Fprintf(&out, "\tn%d -> n%d [%s];\n", edge.From, edge.To, edgeDOT(edge))
	}

	out.WriteString("}\n")

	return out.String()
}

func edgeDOT(edge Edge) string {
	look := `color="#9aa6b8"`

	switch {
	case edge.Cycle:
		look = `color="#cf2929", penwidth=2`
	case !edge.Met:
		look = `color="#d06a00", style=dashed, penwidth=2`
	}

	if edge.Completed {
		look += `, label="finished"`
	}

	return look
}

// quoteDOT makes a string with one line for each text. Graphviz reads backslashes and HTML entities in it.
func quoteDOT(lines ...string) string {
	escaper := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;")
	for i, line := range lines {
		lines[i] = escaper.Replace(clean(line))
	}

	return `"` + strings.Join(lines, `\n`) + `"`
}

// Mermaid writes the graph as a flowchart of Mermaid, with every dependency.
func Mermaid(graph Graph) string {
	var out strings.Builder

	out.WriteString("flowchart LR\n")

	for i, node := range graph.Nodes {
		shape := [2]string{"[", "]"}
		if node.Condition {
			shape = [2]string{"([", "])"}
		}

		fmt.Fprintf(&out, "    n%d%s%s%s\n", i, shape[0], quoteMermaid(node.Label(), nodeTextOf(node)), shape[1])
	}

	for _, edge := range graph.Edges {
		fmt.Fprintf(&out, "    n%d %s n%d\n", edge.From, arrowMermaid(edge), edge.To)
	}

	for i, node := range graph.Nodes {
		fmt.Fprintf(&out, "    style n%d fill:%s,stroke:%s,color:#1b2330\n", i, fillOf(node.Phase), borderOf(node))
	}

	for i, edge := range graph.Edges {
		if edge.Cycle {
			fmt.Fprintf(&out, "    linkStyle %d stroke:#cf2929,stroke-width:2px\n", i)
		} else if !edge.Met {
			fmt.Fprintf(&out, "    linkStyle %d stroke:#d06a00,stroke-width:2px\n", i)
		}
	}

	return out.String()
}

func arrowMermaid(edge Edge) string {
	arrow := "-->"
	if !edge.Met {
		arrow = "-.->"
	}

	if edge.Completed {
		arrow += "|finished|"
	}

	return arrow
}

// quoteMermaid makes a text with one line for each. All that Mermaid could take for markup, for a comment or for the end
// of the text is written as a code.
func quoteMermaid(lines ...string) string {
	for i, line := range lines {
		var escaped strings.Builder

		for _, char := range clean(line) {
			if strings.ContainsRune("\"#&<>`%;\\{}[]()|*_~$^", char) {
				fmt.Fprintf(&escaped, "#%d;", char)
			} else {
				escaped.WriteRune(char)
			}
		}

		lines[i] = escaped.String()
	}

	return `"` + strings.Join(lines, "<br/>") + `"`
}

// nodeTextOf says in one line how a node is.
func nodeTextOf(node Node) string {
	if node.Condition {
		return strings.ToLower(string(node.Phase))
	}

	return shorten(nodeText(node), 60, 1)
}

// fillOf is the colour of a phase on light ground.
func fillOf(phase Phase) string {
	for _, colour := range colours {
		if colour.class == phaseClass(phase) {
			return colour.light
		}
	}

	return "#ffffff"
}

func borderOf(node Node) string {
	if node.Cycle || node.Phase == events.StateFailed || node.Phase == phaseUnknown {
		return "#cf2929"
	}

	return "#525d70"
}
