package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// fact is one thing that is known of a service.
type fact struct {
	name, text string
	style      ansi.Style
}

// moment makes a moment of a clock.
func moment(at Clock) *apiv1.Moment {
	return &apiv1.Moment{WallNs: at.WallNS, BootNs: at.BootNS, BootId: at.BootID}
}

// facts are what is known of the selected service, what matters most first.
func (m *Model) facts() []fact {
	service, known := m.services[m.selected]
	if !known {
		return nil
	}

	now := m.shownAt()
	facts := []fact{{"STATE", stateText(service, now), stateStyle(service.GetState())}}

	add := func(name, text string, style ansi.Style) {
		if text != "" {
			facts = append(facts, fact{name, text, style})
		}
	}

	add("PROBLEM", service.GetProblem(), badStyle)
	add("CYCLE", strings.Join(service.GetCycle(), " -> "), badStyle)

	for _, dependency := range service.GetWaitingFor() {
		add("WAITING", fmt.Sprintf("for %s (%s)", dependency.GetText(), short(now.age(dependency.GetSince()))), busyStyle)
	}

	if retry := service.GetNextRetry(); retry != nil {
		add("RETRY", "in "+short(time.Duration(max(retry.GetBootNs()-now.BootNS, 0))), busyStyle)
	}

	if health, message := healthWord(service), service.GetHealth().GetLastMessage(); health != "?" || message != "" {
		add("HEALTH", strings.TrimSuffix(health+": "+message, ": "), healthStyle(health))
	}

	if cpu, memory := m.usageWords(service); memory != "-" {
		add("USES", fmt.Sprintf("CPU %s, memory %s", cpu, memory), plainStyle)
	}

	add("STARTS", startsText(service), plainStyle)

	if service.GetRestartPending() {
		add("CONFIG", "has changed; it takes effect at the next start", busyStyle)
	}

	if problem := service.GetFileProblem(); problem != "" {
		add("FILE", service.GetSource()+": "+problem+"; it goes on as it was", badStyle)
	} else {
		add("FILE", service.GetSource(), plainStyle)
	}

	return facts
}

func stateText(service *apiv1.Service, now Clock) string {
	text := service.GetState()
	if since := service.GetSince(); since != nil {
		text += " for " + short(now.age(since))
	}

	if pid := service.GetPid(); pid != 0 {
		text += fmt.Sprintf(" (PID %d)", pid)
	}

	if service.GetDesired() == "stopped" {
		text += ", stopped by a person"
	}

	return text
}

// startsText tells how often it was tried, and how the last task ended.
func startsText(service *apiv1.Service) string {
	text := fmt.Sprintf("attempt %d, restarts %d", service.GetAttempt(), service.GetRestarts())

	switch exit := service.GetLastExit(); {
	case exit == nil:
	case exit.GetOom():
		text += "; last killed for lack of memory"
	case !exit.GetKnown():
		text += "; nobody knows how the last one ended"
	case exit.GetSignal() != 0:
		text += fmt.Sprintf("; last ended by signal %d", exit.GetSignal())
	default:
		text += fmt.Sprintf("; last exit code %d", exit.GetCode())
	}

	return text
}

// factLines lays out so many facts of the service that is shown alone.
func (m *Model) factLines(height int) []string {
	const widestName = len("PROBLEM")

	var lines []string

	for _, fact := range m.facts()[:height] {
		text := m.glyphs.cut(clean(fact.text), m.width-widestName-columnGap)
		lines = append(lines, m.glyphs.cut(fmt.Sprintf("%-*s", widestName+columnGap, fact.name)+paint(fact.style, text), m.width))
	}

	return lines
}
