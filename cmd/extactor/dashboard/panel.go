package dashboard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// pastEvents are the last events of a service, oldest first.
type pastEvents struct {
	pane

	records []*apiv1.EventRecord
}

func (p *pastEvents) add(records []*apiv1.EventRecord) {
	p.records = append(p.records, records...)
	p.records = slices.Delete(p.records, 0, max(len(p.records)-mostLines, 0))
	p.grown(len(records), len(p.records))
}

// The columns of an event.
const (
	widestAge     = 6
	widestState   = len(events.StateInitialized)
	messageColumn = widestAge + widestState + 2*columnGap
)

// line is one event with its age.
func (p *pastEvents) line(i int, now Clock) string {
	record := p.records[i]

	return fmt.Sprintf("%*s  %-*s  %s", widestAge, short(now.age(record.GetAt())), widestState, clean(record.GetState()), clean(record.GetMessage()))
}

// scroll moves what the panel shows up by so many lines.
func (m *Model) scroll(up int) {
	if m.tab == logTab {
		m.log.scroll(up, m.log.count())
	} else {
		m.past.scroll(up, len(m.past.records))
	}
}

// panel is a rule with the names of the tabs, and below it the lines of the present one. In the overview long lines are
// cut; alone they are wrapped.
func (m *Model) panel(height int) []string {
	if height <= 0 || m.selected == "" {
		return nil
	}

	logParts := func(line string) []string { return []string{m.glyphs.cut(line, m.width)} }
	eventParts := logParts

	if m.alone {
		logParts = func(line string) []string { return wrapped(line, m.width) }
		eventParts = func(line string) []string { return hanging(line, messageColumn, m.width) }
	}

	var (
		shown []string
		empty = "nothing has happened to it yet"
		pane  = m.past.pane
		now   = m.shownAt()
	)

	if m.tab == logTab {
		pane, empty = m.log.pane, "it has printed nothing yet"
		shown = pane.last(m.log.count(), height-1, m.log.line, logParts)
	} else {
		shown = pane.last(len(m.past.records), height-1, func(i int) string { return m.past.line(i, now) }, eventParts)
	}

	switch {
	case pane.problem != "":
		shown = append(shown[min(len(shown), 1):], paint(badStyle, m.glyphs.cut(pane.problem, m.width)))
	case m.tab == logTab && !m.wanted.printed:
		shown = []string{paint(faintStyle, m.glyphs.cut("it has no log here: it is built in, or the host's", m.width))}
	case len(shown) == 0 && pane.told:
		shown = []string{paint(faintStyle, m.glyphs.cut(empty, m.width))}
	}

	return append([]string{m.tabLine(pane.back)}, shown...)
}

// tabLine is the rule above the panel: whose it is, which tab is open, and how far somebody has scrolled up.
func (m *Model) tabLine(back int) string {
	names := []string{"events", "log"}
	names[m.tab] = "[" + strings.ToUpper(names[m.tab]) + "]"

	end := " " + strings.Join(names, " ") + " "
	if back > 0 {
		end = fmt.Sprintf(" %d newer below ", back) + m.glyphs.rule + end
	}

	begin := strings.Repeat(m.glyphs.rule, 2) + " "
	room := m.width - ansi.StringWidth(begin) - ansi.StringWidth(end) - 3
	name := m.glyphs.cut(clean(m.selected), room)
	rule := strings.Repeat(m.glyphs.rule, max(room-ansi.StringWidth(name)+1, 0))

	return paint(strongStyle, m.glyphs.cut(begin+name+" "+rule+end+m.glyphs.rule, m.width))
}
