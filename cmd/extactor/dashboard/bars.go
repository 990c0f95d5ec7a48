package dashboard

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/extactor/extactor/events"
)

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
		return m.glyphs.cut("waiting for the daemon at "+clean(m.options.Where), m.width)
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
