package report

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/picture"
)

// format and formatVersion are what the embedded document calls itself. Fields may be added within a version; whatever a
// reader would understand wrongly gets a new one.
const (
	format        = "extactor-report"
	formatVersion = 1
)

// document is what is embedded. Columns are lists of the same length, one number for each row; most of them hold the
// difference to the row before, so that they are short.
type document struct {
	Format   string            `json:"format"`
	Version  int               `json:"version"`
	Heading  Heading           `json:"heading"`
	Made     int64             `json:"made"`   // microseconds of the wall clock
	After    int64             `json:"after"`  // microseconds from the last row to the end
	Before   int               `json:"before"` // rows that are lines from before the page begins
	Boots    []bootDocument    `json:"boots"`
	Texts    []any             `json:"texts"`
	Values   []any             `json:"values"`
	Rows     columns           `json:"rows"`
	Services []serviceDocument `json:"services"` // by id
	Own      []cellDocument    `json:"own"`
	Awaited  []cellDocument    `json:"awaited"` // conditions; the name of the cell is how people call it
	Graph    graphDocument     `json:"graph"`
	Logs     Logs              `json:"logs,omitempty"`
}

type bootDocument struct {
	ID    string `json:"id"`
	First int    `json:"first"` // row
	Zero  int64  `json:"zero"`  // microseconds of the wall clock when the boot clock was zero
}

type columns struct {
	Seq      []int64 `json:"seq"`      // difference
	Clock    []int64 `json:"clock"`    // boot clock in microseconds: difference, or from zero in the first row of a boot
	Skew     []int64 `json:"skew"`     // wall clock less boot clock: difference
	Service  []int   `json:"service"`  // text
	Kind     []int   `json:"kind"`     // text
	State    []int   `json:"state"`    // text
	Message  []int   `json:"message"`  // text
	Told     []int   `json:"told"`     // text that it is in a chain of causes; 0: its message
	Roles    []int   `json:"roles"`    // what it can be there
	Attempt  []int64 `json:"attempt"`  // difference to the row of the same service before
	Cause    []int64 `json:"cause"`    // how many sequences before; 0: none
	Decision []int64 `json:"decision"` // how many sequences before
}

type serviceDocument struct {
	ID    string         `json:"id"`
	Cells []cellDocument `json:"cells"`
}

type cellDocument struct {
	Name  string  `json:"name"`
	At    []int32 `json:"at"` // rows: difference
	Value []int32 `json:"value"`
}

type graphDocument struct {
	picture.Arrangement
	Names []nameDocument `json:"names"` // of the nodes
	Edges [][2]int       `json:"edges"` // nodes: from what is needed, to what needs it
	Keys  []string       `json:"keys"`  // of the condition that each edge stands for
}

type nameDocument struct {
	ID        string `json:"id"`
	Label     string `json:"label"`
	Condition bool   `json:"condition,omitempty"`
}

// encode packs the document.
func (r *Report) encode(heading Heading, logs Logs) ([]byte, error) {
	document := document{
		Format: format, Version: formatVersion, Heading: heading, Made: microseconds(heading.WallNS),
		After: microseconds(heading.AfterNS), Before: r.before,
		Awaited: []cellDocument{}, Texts: r.texts.values, Rows: r.columns(), Own: cellsOf(r.own), Graph: r.graph(), Logs: logs,
	}
	document.Heading.Missing = append(append([]string{}, heading.Missing...), r.lost...)

	for _, boot := range r.boots {
		document.Boots = append(document.Boots, bootDocument{ID: boot.id, First: boot.first, Zero: microseconds(boot.zero)})
	}

	for _, value := range r.values.values {
		document.Values = append(document.Values, valueOf(value))
	}

	for _, key := range r.keys {
		document.Awaited = append(document.Awaited, cellOf(picture.ConditionLabel(key), r.awaited[key]))
	}

	for _, id := range slices.Sorted(maps.Keys(r.services)) {
		document.Services = append(document.Services, serviceDocument{ID: id, Cells: cellsOf(r.services[id])})
	}

	var packed bytes.Buffer

	zipper, err := gzip.NewWriterLevel(&packed, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}

	if err := cmp.Or(json.NewEncoder(zipper).Encode(document), zipper.Close()); err != nil {
		return nil, err
	}

	return packed.Bytes(), nil
}

// valueOf is what stands for a value of a cell.
func valueOf(value any) any {
	switch value := value.(type) {
	case here:
		return nil
	case list:
		if value == "" {
			return []string{}
		}

		return strings.Split(string(value), "\n")
	case moment:
		return []any{value.wall, value.boot, value.bootID}
	default:
		return value
	}
}

func (r *Report) columns() columns {
	var (
		all      columns
		last     row
		skew     int64
		attempts = map[int]uint64{}
	)

	for _, column := range []*[]int64{&all.Seq, &all.Clock, &all.Skew, &all.Attempt, &all.Cause, &all.Decision} {
		*column = make([]int64, 0, len(r.rows))
	}

	for _, column := range []*[]int{&all.Service, &all.Kind, &all.State, &all.Message, &all.Told, &all.Roles} {
		*column = make([]int, 0, len(r.rows))
	}

	for i, row := range r.rows {
		clock, wall := microseconds(row.at.BootNS), microseconds(row.at.WallNS)
		all.Seq = append(all.Seq, int64(row.seq-last.seq))
		all.Skew = append(all.Skew, wall-clock-skew)
		skew = wall - clock

		if i > 0 && last.boot == row.boot {
			clock -= microseconds(last.at.BootNS)
		}

		all.Clock = append(all.Clock, clock)
		all.Service, all.Kind = append(all.Service, row.service), append(all.Kind, row.kind)
		all.State, all.Message = append(all.State, row.state), append(all.Message, row.message)
		all.Told, all.Roles = append(all.Told, row.told), append(all.Roles, int(row.roles))
		all.Attempt = append(all.Attempt, int64(row.attempt-attempts[row.service]))
		attempts[row.service] = row.attempt
		all.Decision = append(all.Decision, int64(row.seq-row.decision))

		cause := int64(0)
		if row.cause != 0 {
			cause = int64(row.seq - row.cause)
		}

		all.Cause, last = append(all.Cause, cause), row
	}

	return all
}

func cellsOf(service *service) []cellDocument {
	cells := make([]cellDocument, 0, len(service.names))

	for _, name := range service.names {
		cells = append(cells, cellOf(name, service.cells[name]))
	}

	return cells
}

func cellOf(name string, known *cell) cellDocument {
	return cellDocument{Name: name, At: known.at, Value: known.value}
}

// graph places all services and conditions that there ever were, so that nothing moves between two moments.
func (r *Report) graph() graphDocument {
	var views []events.View

	for id, service := range r.services {
		view := events.NewView(id)
		for _, key := range slices.Sorted(maps.Keys(service.needs)) {
			view.Conditions = append(view.Conditions, events.ConditionView{Key: key, Known: true, Met: true})
		}

		views = append(views, view)
	}

	graph := picture.NewGraph(views)
	document := graphDocument{Arrangement: picture.Arrange(graph), Names: []nameDocument{}, Edges: [][2]int{}, Keys: []string{}}

	for _, node := range graph.Nodes {
		document.Names = append(document.Names, nameDocument{ID: node.ID, Label: node.Label(), Condition: node.Condition})
	}

	for _, edge := range graph.Edges {
		key := graph.Nodes[edge.From].ID

		switch {
		case graph.Nodes[edge.From].Condition:
		case edge.Completed:
			key = "completed:" + key
		default:
			key = "service:" + key
		}

		document.Edges, document.Keys = append(document.Edges, [2]int{edge.From, edge.To}), append(document.Keys, key)
	}

	return document
}
