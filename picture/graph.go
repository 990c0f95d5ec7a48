package picture

import (
	"cmp"
	"slices"
	"strings"

	"github.com/extactor/extactor/events"
)

// Graph says what depends on what at one moment.
type Graph struct {
	Nodes []Node // services sorted by id, then conditions sorted by key
	Edges []Edge
	// Cycles are the ids of services that wait for each other, the first one again at the end.
	Cycles [][]string
}

// Node is a service, or a condition that is none.
type Node struct {
	ID        string // of the service, or key of the condition
	Condition bool
	Phase     Phase
	Note      string // why it is not up; empty where it is
	Cycle     bool   // it waits for itself
}

// Edge leads from what is needed to the service that needs it; From and To are indexes of nodes.
type Edge struct {
	From, To  int
	Completed bool // the service is needed to have finished, not to be up
	Met       bool
	Cycle     bool // it closes a cycle
}

// NewGraph makes the graph of these services. A service that is needed and that nobody knows is a node, too.
func NewGraph(views []events.View) Graph {
	graph := Graph{}
	services, conditions := map[string]int{}, map[string]int{}

	views = slices.SortedFunc(slices.Values(views), func(a, b events.View) int { return cmp.Compare(a.ID, b.ID) })
	for _, view := range views {
		services[view.ID] = len(graph.Nodes)
		graph.Nodes = append(graph.Nodes, Node{ID: view.ID, Phase: PhaseOf(view, false), Note: noteOf(view)})
	}

	for _, key := range keysOf(views) {
		id := serviceOf(key)
		if _, known := services[id]; known {
			continue
		}

		if id != "" {
			services[id] = len(graph.Nodes)
			graph.Nodes = append(graph.Nodes, Node{ID: id, Phase: phaseUnknown, Note: "no service has this name"})

			continue
		}

		conditions[key] = len(graph.Nodes)
		graph.Nodes = append(graph.Nodes, Node{ID: key, Condition: true, Phase: PhaseMet})
	}

	for _, view := range views {
		for _, condition := range view.Conditions {
			from, isCondition := conditions[condition.Key]
			if !isCondition {
				from = services[serviceOf(condition.Key)]
			}

			if isCondition && !condition.Met {
				graph.Nodes[from].Phase = PhaseUnmet
			}

			completed := strings.HasPrefix(condition.Key, "completed:")
			graph.Edges = append(graph.Edges, Edge{From: from, To: services[view.ID], Completed: completed, Met: condition.Met})
		}
	}

	graph.findCycles()

	return graph
}

// keysOf lists the keys of all conditions, each once: of services first.
func keysOf(views []events.View) []string {
	var keys []string

	for _, view := range views {
		for _, condition := range view.Conditions {
			keys = append(keys, condition.Key)
		}
	}

	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(compareBool(serviceOf(b) != "", serviceOf(a) != ""), strings.Compare(a, b))
	})

	return slices.Compact(keys)
}

// noteOf says in a few words why a service is not up.
func noteOf(view events.View) string {
	waiting := view.Waiting()

	switch {
	case view.State == events.StateWaiting && view.NextRetry != 0:
		return view.Problem
	case len(waiting) > 0:
		texts := make([]string, len(waiting))
		for i, condition := range waiting {
			texts[i] = conditionLabel(condition.Key)
			if id := serviceOf(condition.Key); id != "" {
				texts[i] = id
			}
		}

		return "for " + strings.Join(texts, ", ")
	case view.Problem != "" && view.State != events.StatePreparing: // then it is why the last try failed
		return view.Problem
	case view.State == events.StateRunning && !view.Health.Unknown && !view.Health.Healthy:
		return view.Health.LastMessage
	case view.Desired == events.DesiredStopped && view.State == events.StateFinished:
		return "stopped by a person"
	default:
		return ""
	}
}

// Label names a node for people.
func (n Node) Label() string {
	if n.Condition {
		return conditionLabel(n.ID)
	}

	return n.ID
}

// findCycles marks what waits for itself.
func (g *Graph) findCycles() {
	component := g.components()

	size := map[int]int{}
	for _, number := range component {
		size[number]++
	}

	first := map[int]int{}

	for i := range g.Edges {
		edge := &g.Edges[i]
		edge.Cycle = component[edge.From] == component[edge.To] && (edge.From == edge.To || size[component[edge.From]] > 1)

		if edge.Cycle {
			g.Nodes[edge.From].Cycle, g.Nodes[edge.To].Cycle = true, true
		}
	}

	for i, node := range g.Nodes {
		if _, known := first[component[i]]; node.Cycle && !known {
			first[component[i]] = i
			g.Cycles = append(g.Cycles, g.cycleFrom(i))
		}
	}
}

// cycleFrom is the shortest way from a node back to it.
func (g *Graph) cycleFrom(start int) []string {
	next := g.successors(func(edge Edge) bool { return edge.Cycle })
	before := map[int]int{}

	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		for _, to := range next[queue[0]] {
			if _, seen := before[to]; seen {
				continue
			}

			before[to] = queue[0]
			queue = append(queue, to)
		}
	}

	// Edges lead from what is needed; the cycle is told in the other direction, as services wait.
	path := []string{g.Nodes[start].ID}
	for at := before[start]; at != start; at = before[at] {
		path = append(path, g.Nodes[at].ID)
	}

	return append(path, g.Nodes[start].ID)
}

func (g *Graph) successors(wanted func(Edge) bool) [][]int {
	next := make([][]int, len(g.Nodes))

	for _, edge := range g.Edges {
		if wanted(edge) && !slices.Contains(next[edge.From], edge.To) {
			next[edge.From] = append(next[edge.From], edge.To)
		}
	}

	return next
}

// components numbers the strongly connected components (Tarjan).
func (g *Graph) components() []int {
	next := g.successors(func(Edge) bool { return true })
	component, low, order := make([]int, len(g.Nodes)), make([]int, len(g.Nodes)), make([]int, len(g.Nodes))
	counter, found := 0, 0

	var (
		stack []int
		visit func(int)
	)

	visit = func(node int) {
		counter++
		order[node], low[node] = counter, counter
		stack = append(stack, node)

		for _, to := range next[node] {
			switch {
			case order[to] == 0:
				visit(to)

				low[node] = min(low[node], low[to])
			case component[to] == 0:
				low[node] = min(low[node], order[to])
			}
		}

		if low[node] != order[node] {
			return
		}

		found++

		for {
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			component[last] = found

			if last == node {
				return
			}
		}
	}

	for node := range g.Nodes {
		if order[node] == 0 {
			visit(node)
		}
	}

	return component
}
