package dashboard

import (
	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// column is one of the table.
type column struct {
	name     string
	width    int
	right    bool // numbers end at the same place
	measured bool // its text comes from the counters of the container
	text     func(service *apiv1.Service) (string, ansi.Style)
}

const (
	columnGap    = 2
	markerWidth  = 2 // in front of each row: which one is selected
	narrowestID  = 7
	leastMessage = 16 // a shorter beginning of the last event says nothing
)

// columns are those for which there is room: the ones that matter most are taken first, and all stand in a fixed order.
func (m *Model) columns() []column {
	room := m.width - markerWidth

	id := m.idColumn()
	id.width = min(id.width, max(room, 0))
	room -= id.width

	taken := make(map[string]bool)
	all := []column{m.stateColumn(), healthColumn, m.uptimeColumn(), restartsColumn, m.cpuColumn(), m.memoryColumn()}

	for _, i := range []int{0, 1, 2, 4, 5, 3} {
		if room < all[i].width+columnGap {
			break
		}

		room -= all[i].width + columnGap
		taken[all[i].name] = true
	}

	columns := []column{id}

	for _, column := range all {
		if taken[column.name] {
			columns = append(columns, column)
		}
	}

	if len(taken) == len(all) && room >= leastMessage+columnGap {
		columns = append(columns, lastEventColumn(room-columnGap))
	}

	return columns
}

// idColumn is as wide as the longest id of all services, within limits: it must not change with the filter.
func (m *Model) idColumn() column {
	longest := narrowestID
	for id := range m.services {
		longest = max(longest, ansi.StringWidth(clean(id)))
	}

	return column{name: "SERVICE", width: min(longest, max(16, m.width*3/10)), text: func(service *apiv1.Service) (string, ansi.Style) {
		return clean(service.GetId()), plainStyle
	}}
}

func (m *Model) stateColumn() column {
	width := len(events.StatePreparing)
	for _, service := range m.services {
		width = max(width, min(ansi.StringWidth(clean(service.GetState())), len(events.StateInitialized)))
	}

	return column{name: "STATE", width: width, text: func(service *apiv1.Service) (string, ansi.Style) {
		style := stateStyle(service.GetState())
		if trouble(service) >= unwell {
			style = badStyle
		}

		return clean(service.GetState()), style
	}}
}

var healthColumn = column{name: "HEALTH", width: 6, text: func(service *apiv1.Service) (string, ansi.Style) {
	word := healthWord(service)

	return word, healthStyle(word)
}}

func (m *Model) uptimeColumn() column {
	return column{name: "UPTIME", width: 6, right: true, text: func(service *apiv1.Service) (string, ansi.Style) {
		if service.GetState() != events.StateRunning || service.GetSince() == nil {
			return "-", plainStyle
		}

		return short(m.shownAt().age(service.GetSince())), plainStyle
	}}
}

var restartsColumn = column{name: "RESTARTS", width: 8, right: true, text: func(service *apiv1.Service) (string, ansi.Style) {
	return count(service.GetRestarts()), plainStyle
}}

func (m *Model) cpuColumn() column {
	return column{name: "CPU", width: 6, right: true, measured: true, text: func(service *apiv1.Service) (string, ansi.Style) {
		cpu, _ := m.usageWords(service)

		return cpu, plainStyle
	}}
}

func (m *Model) memoryColumn() column {
	return column{name: "MEMORY", width: 6, right: true, measured: true, text: func(service *apiv1.Service) (string, ansi.Style) {
		_, memory := m.usageWords(service)

		return memory, plainStyle
	}}
}

func lastEventColumn(width int) column {
	return column{name: "LAST EVENT", width: width, text: func(service *apiv1.Service) (string, ansi.Style) {
		if past := service.GetEvents(); len(past) > 0 {
			return clean(past[len(past)-1].GetMessage()), plainStyle
		}

		return "", plainStyle
	}}
}

// rowLine lays out one row of the table, as wide as the screen. A marked one is not coloured besides.
func (m *Model) rowLine(columns []column, service *apiv1.Service, marked bool) string {
	line := "  "
	if marked {
		line = "> "
	}

	for i, column := range columns {
		text, style := column.text(service)
		if marked {
			style = plainStyle
		}

		line += gap(i) + m.cell(column, text, style)
	}

	line = m.glyphs.fit(line, m.width)
	if marked {
		line = paint(markedStyle, line)
	}

	return line
}

func (m *Model) headLine(columns []column) string {
	line := spaces(markerWidth)
	for i, column := range columns {
		line += gap(i) + m.cell(column, column.name, plainStyle)
	}

	return paint(strongStyle, m.glyphs.cut(line, m.width))
}

func gap(i int) string {
	if i == 0 {
		return ""
	}

	return spaces(columnGap)
}

func (m *Model) cell(column column, text string, style ansi.Style) string {
	text = m.glyphs.cut(text, column.width)
	room := spaces(column.width - ansi.StringWidth(text))

	if column.right {
		return room + paint(style, text)
	}

	return paint(style, text) + room
}
