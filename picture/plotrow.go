package picture

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

func (p *plot) row(index int) {
	row, y := p.boot.Rows[index], p.y(index)
	_, critical := p.links[rowKey{row.ID, row.Condition}]

	class := "ink"
	switch {
	case critical:
		class = "accent strong"
	case row.Condition:
		class = "muted"
	case len(row.Spans) > 0 && row.Spans[len(row.Spans)-1].Phase == events.StateFailed:
		class = "bad"
	}

	p.open("g", attribute{"class", "row"})
	p.content("title", rowText(p.boot, row))
	p.text(margin, y+4, class, "", shorten(label(row), p.names/1.02, 12))

	p.bars(row, y)
	p.marks(row, y)
	p.figures(row, y, class)
	p.close("g")
}

// thin is how wide a part of a bar is drawn at least. A service that crashes for days has more parts than can be seen:
// those within so much are drawn as one, in the colour of the longest of them.
const thin = 1.2

func (p *plot) bars(row Row, y float64) {
	begin, longest := 0.0, Span{}

	for i, span := range row.Spans {
		if span.From >= p.until {
			break
		}

		switch {
		case longest.Phase == "":
			begin, longest = p.x(span.From), span
		case span.To-span.From > longest.To-longest.From:
			longest = span
		}

		last := i+1 == len(row.Spans) || row.Spans[i+1].From >= p.until
		wide := !last && p.x(row.Spans[i+1].To)-p.x(row.Spans[i+1].From) >= thin

		if end := p.x(span.To); end-begin >= thin || wide || last {
			p.box(min(begin, p.right-thin), y-p.bar/2, max(end-begin, thin), p.bar, 0, phaseClass(longest.Phase))

			longest = Span{}
		}
	}
}

// marks draws the ends of tasks, as far as they do not cover each other.
func (p *plot) marks(row Row, y float64) {
	const apart = 4

	free := map[bool]float64{}

	for _, mark := range row.Marks {
		if x := p.x(mark.At); mark.At < p.until && x >= free[mark.Bad] {
			p.mark(x, y, mark.Bad)

			free[mark.Bad] = x + apart
		}
	}
}

// figures fills the columns at the right.
func (p *plot) figures(row Row, y float64, class string) {
	class = strings.Replace(class, "ink", "muted", 1) + " small"

	up, own := "not up", ""
	if row.Up != Never {
		up, own = span(row.Up-p.boot.Begin), span(row.Up-row.begun())
	} else if row.Condition {
		up = "not met"
	} else if last := len(row.Spans) - 1; last >= 0 {
		up = string(row.Spans[last].Phase)
	}

	if row.Condition {
		own = ""
	}

	p.text(p.right+column, y+4, class, anchorEnd, shorten(up, column-4, 11))
	p.text(p.right+2*column, y+4, class, anchorEnd, own)

	if row.Restarts > 0 {
		p.text(p.right+2*column+smallColumn, y+4, class, anchorEnd, fmt.Sprint(row.Restarts))
	}
}

// mark shows the end of a task.
func (p *plot) mark(x, y float64, bad bool) {
	class := "muted"
	if bad {
		class = "bad"
	}

	p.path(class, "M%s %sl4 5l-4 5l-4 -5z", x, y-5)
}

// begun is when a service could begin: since then the time is its own.
func (r Row) begun() int64 {
	if r.Ready != Never {
		return r.Ready
	}

	if len(r.Spans) > 0 {
		return r.Spans[0].From
	}

	return r.Up
}

// rowText tells the whole of a row in words.
func rowText(boot Boot, row Row) string {
	const most = 12

	lines := []string{label(row)}

	for i, phase := range row.Spans {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(row.Spans)-most))

			break
		}

		line := fmt.Sprintf("%s from %s for %s", phase.Phase, span(phase.From-boot.Begin), span(phase.To-phase.From))
		if phase.Note != "" {
			line += ": " + shorten(phase.Note, 160, 1)
		}

		lines = append(lines, line)
	}

	return strings.Join(lines, "; ")
}

// label names a row for people.
func label(row Row) string {
	if row.Condition {
		return conditionLabel(row.ID)
	}

	return row.ID
}

// conditionLabel words the key of a condition.
func conditionLabel(key string) string {
	kind, name, _ := strings.Cut(key, ":")
	switch kind {
	case "path":
		return "file " + name
	case "environmentFile":
		return "environment file " + name
	case "network":
		return "network " + name
	case "time":
		return "time sync"
	case "configuration":
		return "configuration " + name
	default:
		return key
	}
}
