package dashboard

import (
	"cmp"
	"slices"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// arrange makes the rows of the table. The selection stays with its service; where that is not shown any more, it goes to
// the row that has taken its place.
func (m *Model) arrange() {
	m.rows = m.rows[:0]

	for id, service := range m.services {
		if m.matches(service) {
			m.rows = append(m.rows, id)
		}
	}

	slices.SortFunc(m.rows, func(a, b string) int {
		if m.troubleFirst {
			if order := cmp.Compare(trouble(m.services[b]), trouble(m.services[a])); order != 0 {
				return order
			}
		}

		return cmp.Compare(a, b)
	})

	if row := slices.Index(m.rows, m.selected); row >= 0 {
		m.row = row

		return
	}

	m.choose(m.row)
}

// choose selects a row, or the nearest that there is.
func (m *Model) choose(row int) {
	m.row, m.selected = 0, ""
	if len(m.rows) > 0 {
		m.row = min(max(row, 0), len(m.rows)-1)
		m.selected = m.rows[m.row]
	}
}

// matches tells whether the filter lets a service through: by its id, or by how its state or health begins.
func (m *Model) matches(service *apiv1.Service) bool {
	for word := range strings.FieldsSeq(strings.ToLower(m.filter)) {
		if !strings.Contains(strings.ToLower(service.GetId()), word) &&
			!strings.HasPrefix(strings.ToLower(service.GetState()), word) &&
			!strings.HasPrefix(strings.ToLower(healthWord(service)), word) {
			return false
		}
	}

	return true
}

// unwell is the rank from which on it will not get better by itself, as far as one can see.
const unwell = 4

// trouble ranks how much a service needs somebody to look at it.
func trouble(service *apiv1.Service) int {
	health := service.GetHealth()

	switch {
	case service.GetState() == events.StateFailed:
		return 6
	case service.GetProblem() != "", len(service.GetCycle()) > 0:
		return 5
	case !health.GetUnknown() && !health.GetHealthy():
		return unwell
	case service.GetFileProblem() != "", service.GetRestartPending():
		return 3
	case service.GetState() == events.StateWaiting, service.GetState() == events.StatePreparing:
		return 2
	case service.GetState() == events.StateStopping:
		return 1
	default:
		return 0
	}
}

// wants says what the screen shows besides the table.
func (m *Model) wants() wants {
	service, known := m.services[m.selected]
	if !known {
		return wants{}
	}

	// What is built in, and what is the host's, prints elsewhere.
	next := wants{followed: m.selected, printed: service.GetSource() != ""}

	if m.alone {
		if service.GetPid() != 0 {
			next.measured = []string{m.selected}
		}

		return next
	}

	if !slices.ContainsFunc(m.columns(), func(column column) bool { return column.measured }) {
		return next
	}

	for _, id := range m.rows[m.top:min(m.top+m.layout().list, len(m.rows))] {
		if m.services[id].GetPid() != 0 {
			next.measured = append(next.measured, id)
		}
	}

	return next
}

func (w wants) equal(other wants) bool {
	return w.followed == other.followed && w.printed == other.printed && slices.Equal(w.measured, other.measured)
}
