package dashboard

import (
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// layout says how many lines each part of the screen has.
type layout struct {
	facts int // of a service that is shown alone
	list  int // rows of the table
	panel int // with its rule
}

const (
	leastList  = 3 // rows that the table keeps where the screen is low
	leastPanel = 3
)

// layout divides what is left below the title and above the keys.
func (m *Model) layout() layout {
	room := m.height - 2
	if m.noteLine() != "" {
		room--
	}

	if m.alone {
		facts := min(len(m.facts()), max(room/2, 0))

		return layout{facts: facts, panel: max(room-facts, 0)}
	}

	room-- // the names of the columns
	if room < leastList+leastPanel {
		return layout{list: max(room, 0)}
	}

	// All services, not those that the filter lets through: the panel must not move while it is typed.
	list := min(max(len(m.services), leastList), max(room*3/5, leastList))

	return layout{list: list, panel: room - list}
}

// View implements tea.Model.
func (m *Model) View() tea.View {
	view := tea.NewView(strings.Join(m.frame(), "\n"))
	view.AltScreen = true
	view.WindowTitle = "extactor " + clean(m.options.Node)

	return view
}

// frame lays out the screen: as many lines as it has, none wider than it.
func (m *Model) frame() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}

	body := m.body()
	lines := append([]string{m.titleLine()}, body...)

	if note := m.noteLine(); note != "" {
		lines = append([]string{lines[0], note}, body...)
	}

	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}

	lines = append(lines[:max(m.height-1, 0)], m.footLine())[:m.height]

	switch {
	case m.helping:
		m.overlay(lines, m.helpLines())
	case m.asked != nil:
		m.overlay(lines, m.confirmLines())
	}

	return lines
}

// body is what stands between the title and the keys. The last picture is faint while no daemon answers.
func (m *Model) body() []string {
	layout := m.layout()

	var lines []string
	if m.alone {
		lines = append(m.factLines(layout.facts), m.panel(layout.panel)...)
	} else {
		lines = append(m.tableLines(layout.list), m.panel(layout.panel)...)
	}

	if m.away != "" {
		for i, line := range lines {
			lines[i] = paint(faintStyle, ansi.Strip(line))
		}
	}

	return lines
}

func (m *Model) tableLines(height int) []string {
	if !m.pictured {
		return []string{""}
	}

	columns := m.columns()
	lines := []string{m.headLine(columns)}

	for row := m.top; row < min(m.top+height, len(m.rows)); row++ {
		lines = append(lines, m.rowLine(columns, m.services[m.rows[row]], row == m.row))
	}

	if len(m.rows) == 0 {
		empty := "  there are no services"
		if m.filter != "" {
			empty = "  no service matches; esc clears the filter"
		}

		lines = append(lines, paint(faintStyle, m.glyphs.cut(empty, m.width)))
	}

	for len(lines) <= height {
		lines = append(lines, "")
	}

	return lines
}

// shownAt is the moment that the screen shows.
func (m *Model) shownAt() Clock {
	if m.away != "" {
		return m.since
	}

	return m.now
}

func count(number uint64) string { return strconv.FormatUint(number, 10) }
