package dashboard

import (
	apiv1 "github.com/extactor/extactor/api/v1"
)

// The messages of the feed.
type (
	// pictureMsg tells how services are: all of them, or those that changed.
	pictureMsg struct {
		whole    bool
		response *apiv1.StatusResponse
	}
	// awayMsg tells that no daemon answers.
	awayMsg struct{ reason string }
	// eventsMsg are events of a service, oldest first, after those before, or, if fresh, instead of them.
	eventsMsg struct {
		id      string
		fresh   bool
		records []*apiv1.EventRecord
		problem string
	}
	// logMsg is what a service printed, in the same way. Something may have been left out before it.
	logMsg struct {
		id      string
		fresh   bool
		skipped bool
		text    []byte
		problem string
	}
	// usageMsg tells what these services take of the host.
	usageMsg struct {
		ids      []string
		response *apiv1.StatsResponse
	}
	// answerMsg is what became of an order.
	answerMsg struct {
		text   string
		failed bool
	}
)

// picture takes over how services are.
func (m *Model) picture(message pictureMsg) {
	if message.whole {
		m.services = make(map[string]*apiv1.Service, len(message.response.GetServices()))
		m.pictured, m.away = true, ""
	}

	for _, service := range message.response.GetServices() {
		m.services[service.GetId()] = service
	}

	for _, id := range message.response.GetRemoved() {
		delete(m.services, id)
	}

	for id := range m.usage {
		if _, there := m.services[id]; !there {
			delete(m.usage, id)
		}
	}

	m.rejected = message.response.GetRejected()
	m.arrange()
}

// happened takes over events of the selected service; those of another one come too late.
func (m *Model) happened(message eventsMsg) {
	if message.id != m.selected {
		return
	}

	if message.fresh {
		m.past = pastEvents{}
	}

	m.past.add(message.records)
	m.past.told, m.past.problem = true, clean(message.problem)
}

// printed takes over what the selected service printed.
func (m *Model) printed(message logMsg) {
	if message.id != m.selected {
		return
	}

	if message.fresh {
		m.log = logLines{}
	}

	if message.skipped {
		m.log.skip()
	}

	m.log.write(message.text)
	m.log.told, m.log.problem = true, clean(message.problem)
}
