package api

import (
	"fmt"
	"path/filepath"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// The kinds of dependencies, as their keys begin.
const (
	serviceKind       = "service"
	completedKind     = "completed"
	pathKind          = "path"
	environmentKind   = "environmentFile"
	networkKind       = "network"
	timeKind          = "time"
	configurationKind = "configuration"
)

// network tells, for each check, what is missing and what helps.
var network = map[string]struct{ text, missing, remedy string }{
	"addresses": {
		"network: an address", "no interface that is up has an address that is neither loopback nor link-local",
		"configure the network, for example with a DHCP client",
	},
	"connectivity": {
		"network: a default route", "there is no default route", "configure the network: ip route add default via GATEWAY",
	},
	"hostname": {
		"network: a host name", `the host name is not set: it is empty, "localhost" or "(none)"`, "set it: hostname NAME",
	},
	"etcfiles": {
		"network: files in /etc", "/etc/hosts or /etc/resolv.conf does not exist or is empty", "write them",
	},
}

// dependency explains one condition of a service. Only what holds the service up is blamed.
func (e *explainer) dependency(of events.View, condition events.ConditionView) *apiv1.Reason {
	kind, name, _ := strings.Cut(condition.Key, ":")
	reason := &apiv1.Reason{Key: condition.Key, Text: dependencyText(kind, name), Met: condition.Met, Since: moment(condition.Since, of.BootID)}

	switch {
	case condition.Met:
		if view, known := e.views[name]; known && kind == serviceKind && view.Health.LastMessage != "" {
			reason.Why = oneLine(view.Health.LastMessage)
		}

		return reason
	case !condition.Known:
		reason.Why = "it has not been looked at yet"
	}

	if !e.holds(of, condition, name) {
		return reason
	}

	if kind == serviceKind || kind == completedKind {
		e.needed(reason, kind, name)

		return reason
	}

	why, remedy := missing(kind, name)
	reason.Why = why
	e.blame(reason, why, remedy)

	return reason
}

// holds tells whether it is this unmet condition that keeps a service from being started now. Of a service that has not
// begun only what can be seen from here counts.
func (e *explainer) holds(of events.View, condition events.ConditionView, name string) bool {
	if len(of.Cycle) > 0 || of.Desired == events.DesiredStopped || of.NextRetry != 0 {
		return false
	}

	if of.State == events.StateWaiting && condition.Known {
		return true
	}

	needed, known := e.views[name]

	return known && !needed.Up() && (of.State == events.StateWaiting || of.State == events.StateInitialized)
}

// needed explains a service that another one waits for.
func (e *explainer) needed(reason *apiv1.Reason, kind, name string) {
	view, known := e.views[name]
	if !known {
		e.unregistered(reason, name)

		return
	}

	since := reason.GetSince()
	e.service(reason, view)
	reason.Since, reason.Met = since, false // of the condition

	if kind == completedKind && view.State == events.StateRunning {
		e.blame(reason, name+" runs and has not finished yet", "wait for it")
	}
}

func (e *explainer) unregistered(reason *apiv1.Reason, name string) {
	reason.Text = fmt.Sprintf("service %q to be registered", name)
	reason.Why = fmt.Sprintf("no service is named %q", name)

	if file := skipped(name, e.rejected); file != nil {
		reason.Why += fmt.Sprintf(", because %s was skipped (%s)", filepath.Base(file.GetFile()), strings.Join(file.GetProblems(), ", "))
		e.blame(reason, reason.GetWhy(), "see: extactor validate "+file.GetFile())

		return
	}

	if _, known := e.views[prefix+name]; known {
		e.blame(reason, reason.GetWhy(), fmt.Sprintf("did you mean %q?", prefix+name))

		return
	}

	if strings.HasPrefix(name, prefix) {
		e.blame(reason, reason.GetWhy(), fmt.Sprintf("add the service file of %q, or correct the name", strings.TrimPrefix(name, prefix)))

		return
	}

	e.blame(reason, reason.GetWhy(), "correct the name, or say in extactor.yaml how to tell that this service of the host is up")
}

func dependencyText(kind, name string) string {
	switch kind {
	case serviceKind:
		return fmt.Sprintf("service %q to be %q", name, "up")
	case completedKind:
		return fmt.Sprintf("service %q to be %q", name, "completed")
	case pathKind:
		return fmt.Sprintf("file %q to exist", name)
	case environmentKind:
		return fmt.Sprintf("environment file %q to exist", name)
	case networkKind:
		if check, known := network[name]; known {
			return check.text
		}
	case timeKind:
		return "time sync"
	case configurationKind:
		return "extension service config"
	}

	return kind + ":" + name
}

// missing says of a condition that is not a service why it is unmet, and what would satisfy it.
func missing(kind, name string) (why, remedy string) {
	switch kind {
	case pathKind:
		remedy = "create it"
		if strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/sys/") || strings.HasPrefix(name, "/proc/") {
			remedy = "create it or load the module that makes it"
		}

		return fmt.Sprintf("file %s does not exist", name), remedy
	case environmentKind:
		return fmt.Sprintf("environment file %s does not exist", name), "create it"
	case networkKind:
		if check, known := network[name]; known {
			return check.missing, check.remedy
		}
	case timeKind:
		return "the clock is not synchronised", "run a time service, such as chrony or systemd-timesyncd"
	case configurationKind:
		return fmt.Sprintf("there is no ExtensionServiceConfig named %q", name), "apply one: extactor config apply -f FILE"
	}

	return kind + ":" + name + " is not met", ""
}
