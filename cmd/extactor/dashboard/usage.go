package dashboard

import (
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// meter is what one service takes of the host.
type meter struct {
	attempt uint64 // of which the counters are
	cpuNS   uint64
	bootNS  int64 // of the daemon, when the counters were read

	memory uint64
	share  float64 // percent of one processor
	rated  bool    // share is known: that takes two readings
}

// A share is reckoned over a time that is long enough to say something, and not so long that it says how things were
// instead of how they are.
const (
	leastRated = time.Second
	mostRated  = 10 * time.Second
)

// read takes a new reading of a service of which this is the one before.
func (m meter) read(stat *apiv1.ServiceStat, attempt uint64, bootNS int64) meter {
	next := meter{attempt: attempt, cpuNS: stat.GetCpuNs(), bootNS: bootNS, memory: stat.GetMemoryBytes()}
	passed := time.Duration(bootNS - m.bootNS)

	switch {
	case m.bootNS == 0, m.attempt != attempt, next.cpuNS < m.cpuNS, passed < 0, passed > mostRated:
		return next
	case passed < leastRated: // the next reading will tell
		m.memory = next.memory

		return m
	default:
		next.share, next.rated = float64(next.cpuNS-m.cpuNS)*100/float64(passed), true

		return next
	}
}

// measured takes over what the daemon measured of these services.
func (m *Model) measured(message usageMsg) {
	read := make(map[string]*apiv1.ServiceStat, len(message.response.GetStats()))
	for _, stat := range message.response.GetStats() {
		read[stat.GetId()] = stat
	}

	for _, id := range message.ids {
		service, known := m.services[id]
		if stat, there := read[id]; known && there {
			m.usage[id] = m.usage[id].read(stat, service.GetAttempt(), message.response.GetNow().GetBootNs())
		} else {
			delete(m.usage, id)
		}
	}
}

// usageWords are the share of a processor and the memory that a service takes; a dash where that is not known.
func (m *Model) usageWords(service *apiv1.Service) (cpu, memory string) {
	cpu, memory = "-", "-"

	usage, known := m.usage[service.GetId()]
	if !known || service.GetPid() == 0 || usage.attempt != service.GetAttempt() {
		return cpu, memory
	}

	if usage.rated {
		cpu = percent(usage.share)
	}

	return cpu, size(usage.memory)
}
