package picture

import (
	"fmt"
	"slices"
	"strings"
)

// critical marks the path: the time of each link in its row, and the way from one to the next.
func (p *plot) critical() {
	for i, link := range p.chain {
		y := p.y(p.index(link))
		if link.From > p.until {
			break
		}

		from, to := p.x(link.From), p.x(link.To)
		p.box(from, y-p.bar/2-2, max(to-from, 2), p.bar+4, 2, "accent-line")

		if i+1 < len(p.chain) && link.To <= p.until {
			next := p.y(p.index(p.chain[i+1]))

			edge := p.bar/2 + 2
			if next < y {
				edge = -edge
			}

			p.line(to, y+edge, to, next-edge, "accent-line")
		}
	}
}

func (p *plot) index(link Link) int {
	return slices.IndexFunc(p.boot.Rows, func(row Row) bool { return row.ID == link.ID && row.Condition == link.Condition })
}

// steps lists the links below the axis.
func (p *plot) steps() {
	if len(p.chain) == 0 {
		return
	}

	y := p.bottom + 32 + 26
	p.text(margin, y, "ink strong", "", shorten("Critical path to "+p.target+": "+p.verdict(), p.width-2*margin, 12))

	const barWidth = 200.0

	whole := max(p.chain[len(p.chain)-1].To-p.boot.Begin, 1)

	for i, link := range p.chain {
		y += lineHeight
		share := float64(link.To-link.From) / float64(whole)
		p.text(margin+20, y, "muted small", anchorEnd, fmt.Sprint(i+1))
		p.text(margin+30, y, "ink", "", shorten(linkLabel(link), p.left-margin-30+40, 12))

		x := p.left + 50
		p.text(x+60, y, "ink small", anchorEnd, span(link.To-link.From))
		p.text(x+100, y, "muted small", anchorEnd, fmt.Sprintf("%.0f%%", 100*share))
		p.box(x+114, y-8, max(barWidth*share, 1), 8, 1, "accent")
		p.text(x+114+barWidth+14, y, "muted small", "", linkText(link))
	}
}

// verdict says how long all of it took.
func (p *plot) verdict() string {
	last := p.chain[len(p.chain)-1]
	if last.Open {
		return "not up after " + span(last.To-p.boot.Begin)
	}

	return "up after " + span(last.To-p.boot.Begin)
}

func linkLabel(link Link) string {
	if link.Condition {
		return conditionLabel(link.ID)
	}

	return link.ID
}

// linkText says what the time of a link was.
func linkText(link Link) string {
	switch {
	case link.Condition && link.Open:
		return "has not been met"
	case link.Condition:
		return "until it was met"
	case link.Open && link.To == link.From:
		return "waits for the one above"
	case link.Open:
		return "has not come up"
	case link.Retries > 0:
		return "from ready to up, with " + retries(link.Retries)
	default:
		return "from ready to up"
	}
}

func retries(number int) string {
	if number == 1 {
		return "1 retry"
	}

	return fmt.Sprintf("%d retries", number)
}

// chainText tells the critical path in words.
func (p *plot) chainText() string {
	if len(p.chain) == 0 {
		return ""
	}

	parts := make([]string, len(p.chain))
	for i, link := range p.chain {
		parts[i] = fmt.Sprintf("%s took %s", linkLabel(link), span(link.To-link.From))
	}

	return fmt.Sprintf("Critical path to %s, %s: %s.", p.target, p.verdict(), strings.Join(parts, ", then "))
}

// dependencies draws, for each start, a line from when what it needs was there to when it could begin. Lines that begin
// together share their way down; what the service waited for the longest stands out.
func (p *plot) dependencies() {
	rows := make(map[rowKey]int, len(p.boot.Rows))
	for i, row := range p.boot.Rows {
		rows[rowKey{row.ID, row.Condition}] = i
	}

	for i, row := range p.boot.Rows {
		if row.Ready == Never || row.Ready > p.until {
			continue
		}

		determinant, _ := row.determinant(row.Ready)

		for _, key := range row.depends {
			needed := rowKey{key, true}
			if id := serviceOf(key); id != "" {
				needed = rowKey{id, false}
			}

			from, known := rows[needed]
			at, _ := metAt(row.met[key], row.Ready)
			if !known || at == Never {
				continue
			}

			class := "wait-line"
			if key != determinant {
				class += " faint"
			}

			p.dependency(class, from, i, p.x(at), p.x(row.Ready))
		}
	}
}

func (p *plot) dependency(class string, from, to int, begin, end float64) {
	const corner = 5.0

	up, down := p.y(from), p.y(to)

	turn := down - corner
	if down < up {
		turn = down + corner
	}

	if end-begin < corner {
		p.path(class, "M%s %sV%sL%s %s", begin, up, turn, end, down)
	} else {
		p.path(class, "M%s %sV%sQ%s %s %s %sH%s", begin, up, turn, begin, down, begin+corner, down, end)
	}

	p.element("circle", attribute{"class", "ink"}, attribute{"cx", number(begin)}, attribute{"cy", number(up)}, attribute{"r", "1.8"})
}
