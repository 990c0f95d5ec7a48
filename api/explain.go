package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// runtimeID is the built-in service that is the link to containerd.
const runtimeID = "containerd"

// journalID is the built-in service that is the journal.
const journalID = "journal"

// explain tells why a service is not up, down to what has to be done or to happen: the root causes, each once.
func explain(of events.View, all []events.View, rejected []*events.SpecRejected, nowBootNS int64) (*apiv1.Reason, []string) {
	explainer := &explainer{views: make(map[string]events.View, len(all)), rejected: rejected, now: nowBootNS, seen: map[string]bool{}}
	for _, view := range all {
		explainer.views[view.ID] = view
	}

	reason := &apiv1.Reason{Key: serviceKind + ":" + of.ID, Text: of.ID}
	explainer.service(reason, of)

	if !reason.GetMet() && len(explainer.causes) == 0 {
		explainer.blame(reason, of.ID+" has not begun yet", "wait for it")
	}

	return reason, explainer.causes
}

type explainer struct {
	views    map[string]events.View
	rejected []*events.SpecRejected
	now      int64           // CLOCK_BOOTTIME, nanoseconds
	seen     map[string]bool // services that are explained already: each is, once
	causes   []string
}

// blame ends a chain: this is what keeps the service from being up, and this is what helps.
func (e *explainer) blame(reason *apiv1.Reason, cause, remedy string) {
	if reason.GetWhy() != cause {
		reason.Why = strings.TrimPrefix(reason.GetWhy()+": "+cause, ": ")
	}

	reason.Remedy = remedy

	if remedy != "" {
		cause += "; " + remedy
	}

	if !slices.Contains(e.causes, cause) {
		e.causes = append(e.causes, cause)
	}
}

// service explains one service below a reason that names it.
func (e *explainer) service(reason *apiv1.Reason, view events.View) {
	reason.Since, reason.Why = moment(view.Since, view.SinceBootID), "it is "+view.State
	reason.Met = view.Up()

	defer func() {
		if view.FileProblem != "" {
			reason.Why += "; its changed file is not used: " + view.FileProblem
		}
	}()

	if e.seen[view.ID] {
		reason.Why += "; it is explained above"

		return
	}

	e.seen[view.ID] = true

	// An unmet dependency of what runs matters at its next start; it is shown, but nothing is to blame on it.
	for _, condition := range view.Conditions {
		reason.Because = append(reason.Because, e.dependency(view, condition))
	}

	switch {
	case reason.Met:
	case len(view.Cycle) > 0 && view.State != events.StateRunning:
		e.cycle(reason, view)
	case view.ID == runtimeID:
		e.blame(reason, "containerd is down: "+orElse(oneLine(view.Problem), "it has not answered yet"),
			"see its log in the run directory, and extactor events containerd")
	case view.ID == journalID:
		e.blame(reason, "events cannot be recorded: "+orElse(oneLine(view.Health.LastMessage), "nothing is known of the journal yet"),
			"see: extactor journal info; services go on meanwhile")
	case hostService(view):
		e.blame(reason, fmt.Sprintf("service %q of the host is down: %s", view.ID, orElse(oneLine(view.Health.LastMessage), "it has not been seen yet")),
			"start it, or say in extactor.yaml how to tell that it is up")
	default:
		e.state(reason, view)
	}
}

// state explains a service of a file by the state it is in.
func (e *explainer) state(reason *apiv1.Reason, view events.View) {
	start := "extactor service " + view.ID + " start"
	problem := oneLine(view.Problem)

	switch {
	case view.Desired == events.DesiredStopped && view.State != events.StateRunning:
		e.blame(reason, view.ID+" was stopped by a person", "start it: "+start)
	case view.State == events.StateWaiting && view.NextRetry != 0 && strings.HasPrefix(problem, startFailed):
		e.blame(reason, fmt.Sprintf("%s; it is tried again in %s", problem, e.retry(view)), "once that is fixed, at once: "+start)
	case view.State == events.StateWaiting && view.NextRetry != 0:
		e.blame(reason, e.backoff(view, problem), "see: extactor logs "+view.ID)
	case view.State == events.StateFailed:
		e.blame(reason, fmt.Sprintf("%s has failed: %s", view.ID, orElse(problem, lastExit(view))), "once that is fixed: "+start)
	case view.State == events.StateSkipped:
		e.blame(reason, fmt.Sprintf("%s was skipped: %s", view.ID, orElse(problem, "it is not to be run here")), "once that is fixed: "+start)
	case view.State == events.StateFinished:
		e.blame(reason, view.ID+" has finished, and its restart policy does not start it again", "start it: "+start)
	case view.State == events.StateRunning && view.Health.Unknown:
		e.blame(reason, "the health check of "+view.ID+" has not answered yet", "wait for it")
	case view.State == events.StateRunning:
		e.blame(reason, fmt.Sprintf("the health check of %s fails: %s", view.ID, orElse(oneLine(view.Health.LastMessage), "without a message")),
			"see: extactor logs "+view.ID)
	case view.State == events.StatePreparing:
		e.preparing(reason, view)
	case view.State == events.StateStopping:
		e.blame(reason, view.ID+" is stopping", "wait for it; after its stop timeout it is killed")
	case len(view.Waiting()) == 0:
		e.idle(reason, view)
	}
}

// slowStart is how long making a container may take before something is likely to hang.
const slowStart = 10 * time.Second

func (e *explainer) preparing(reason *apiv1.Reason, view events.View) {
	cause, remedy := "the container of "+view.ID+" is being made", "wait for it"

	if took := time.Duration(e.now - view.Since.BootNS).Round(time.Second); took >= slowStart {
		cause = fmt.Sprintf("the container of %s has been in the making for %s", view.ID, took)
		remedy = "something under its mounts, or under its root file system, does not answer: see findmnt, and for what it mounts: extactor oci " +
			orElse(view.Source, "FILE")
	}

	e.blame(reason, cause, remedy)
}

// idle explains a service that waits for no dependency: nothing can begin before containerd has told what it runs.
func (e *explainer) idle(reason *apiv1.Reason, view events.View) {
	link, known := e.views[runtimeID]
	if known && !link.Up() && !slices.ContainsFunc(view.Conditions, func(c events.ConditionView) bool { return c.Key == serviceKind+":"+runtimeID }) {
		because := &apiv1.Reason{Key: serviceKind + ":" + runtimeID, Text: `service "containerd" to be "up"`}
		e.service(because, link)
		reason.Because = append(reason.Because, because)
	}
}

func (e *explainer) cycle(reason *apiv1.Reason, view events.View) {
	if len(view.Cycle) == 2 {
		e.blame(reason, view.ID+" waits for itself", fmt.Sprintf("remove the dependency from %s", orElse(view.Source, "its file")))

		return
	}

	e.blame(reason, "services wait for each other: "+strings.Join(canonical(view.Cycle), " -> "), "remove one of these dependencies")
}

// canonical begins a cycle with its smallest id, so that it reads the same whoever of it is asked about.
func canonical(cycle []string) []string {
	ring := cycle[:len(cycle)-1]
	first := slices.Index(ring, slices.Min(ring))

	return append(slices.Concat(ring[first:], ring[:first]), ring[first])
}

// startFailed begins what is said of a service that did not come as far as to print anything.
const startFailed = "cannot start"

// retry is how long it is until the next try.
func (e *explainer) retry(view events.View) time.Duration {
	return time.Duration(max(view.NextRetry-e.now, 0)).Round(100 * time.Millisecond)
}

func (e *explainer) backoff(view events.View, problem string) string {
	text := fmt.Sprintf("%s does not stay up: %s", view.ID, orElse(problem, lastExit(view)))

	if exit := lastExit(view); view.LastExit != nil && !strings.Contains(text, exit) {
		text += " (its task " + exit + ")"
	}

	return fmt.Sprintf("%s, it is tried again in %s", text, e.retry(view))
}

func lastExit(view events.View) string {
	if view.LastExit == nil {
		return "nobody knows why"
	}

	return view.LastExit.Text()
}

// hostService tells whether a service is the host's: it is observed, and has no file.
func hostService(view events.View) bool {
	return view.Source == "" && !strings.HasPrefix(view.ID, prefix) && view.ID != runtimeID
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}

	return text
}

// oneLine keeps a problem of many lines in one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
