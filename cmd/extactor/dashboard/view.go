package dashboard

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/extactor/extactor/events"
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

// titleLine counts services by state, and says what is not as usual about the table. The node stands at the right.
func (m *Model) titleLine() string {
	text := "extactor"
	if m.pictured {
		text = m.countsText()
	}

	if m.filter != "" || m.typing {
		text += fmt.Sprintf("  %d shown", len(m.rows))
	}

	if m.troubleFirst {
		text += "  trouble first"
	}

	if named := "extactor  " + text; m.pictured && ansi.StringWidth(named) <= m.width {
		text = named
	}

	node := clean(m.options.Node)
	if room := m.width - ansi.StringWidth(text) - ansi.StringWidth(node); room >= columnGap {
		text += spaces(room) + node
	}

	return paint(strongStyle, m.glyphs.cut(text, m.width))
}

// worstFirst are the states in the order in which they matter to whoever looks.
var worstFirst = []string{
	events.StateFailed, events.StateWaiting, events.StatePreparing, events.StateStopping, events.StateInitialized,
	events.StateRunning, events.StateFinished, events.StateSkipped,
}

func (m *Model) countsText() string {
	states := make(map[string]int)
	for _, service := range m.services {
		states[service.GetState()]++
	}

	var parts []string

	for _, state := range worstFirst {
		if states[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", states[state], state))
		}
	}

	text := "1 service"
	if len(m.services) != 1 {
		text = fmt.Sprintf("%d services", len(m.services))
	}

	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}

	return text
}

// noteLine says that no daemon answers, and how old the picture is then; else which files are not used.
func (m *Model) noteLine() string {
	switch {
	case m.away != "":
		text := clean(m.away) + "; trying again"
		if m.pictured {
			text += fmt.Sprintf(" (as of %s ago)", short(m.now.age(moment(m.since))))
		}

		return paint(alarmStyle, m.glyphs.fit(text, m.width))
	case !m.pictured:
		return m.glyphs.cut("waiting for the daemon at "+clean(m.options.Socket), m.width)
	case len(m.rejected) > 0:
		file := m.rejected[0].GetFile()
		text := "1 file was skipped: " + filepath.Base(file)

		if others := len(m.rejected) - 1; others > 0 {
			text = fmt.Sprintf("%d files were skipped: %s and %d more", others+1, filepath.Base(file), others)
		}

		return paint(badStyle, m.glyphs.cut(clean(text+"; see: extactor validate "+filepath.Dir(file)), m.width))
	default:
		return ""
	}
}

// footLine is the filter while it is typed, what became of an order for a while, else the keys that can be pressed.
func (m *Model) footLine() string {
	switch {
	case m.typing:
		return m.hintsAfter("/"+m.filter+"_", []string{"enter keep", "esc clear"}, nil)
	case m.notice != "" && m.noticeFailed:
		return paint(badStyle, m.glyphs.cut(m.notice, m.width))
	case m.notice != "":
		return paint(strongStyle, m.glyphs.cut(m.notice, m.width))
	case m.alone:
		return m.hintsAfter("", append([]string{"esc back", m.tabHint()}, append(slices.Clone(orderHints), m.glyphs.upDown+" scroll")...), lastHints)
	case m.filter != "":
		return m.hintsAfter("/"+m.filter, append([]string{"esc clear", "enter details", m.tabHint()}, orderHints...), lastHints)
	default:
		return m.hintsAfter("", append([]string{"enter details", m.tabHint()}, append(slices.Clone(orderHints), "/ filter", "o order", m.glyphs.upDown+" select")...), lastHints)
	}
}

var (
	orderHints = []string{"s start", "S stop", "r restart"}
	lastHints  = []string{"? help", "q quit"}
)

func (m *Model) tabHint() string {
	if m.tab == logTab {
		return "tab events"
	}

	return "tab log"
}

// hintsAfter is a text with as many hints behind it as there is room for; the last ones come first.
func (m *Model) hintsAfter(text string, hints, last []string) string {
	room := m.width - ansi.StringWidth(text) - ansi.StringWidth(strings.Join(last, "  ")) - columnGap

	var shown []string
	if text != "" {
		shown = append(shown, text)
	}

	for _, hint := range hints {
		if room -= ansi.StringWidth(hint) + columnGap; room < 0 {
			break
		}

		shown = append(shown, hint)
	}

	return m.glyphs.cut(strings.Join(append(shown, last...), "  "), m.width)
}

func count(number uint64) string { return strconv.FormatUint(number, 10) }
