package history

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// hidden are the steps that only lead from one thing worth telling to the next.
var hidden = map[string]bool{
	"RunnerCreated": true, "PreparationStarted": true, "SignalSent": true, "AttemptBegan": true, "UnmetChanged": true,
	"BackoffElapsed": true, "RestartScheduled": true, "ServiceFinished": true, "Recovered": true, "DesiredChanged": true, "Snapshot": true, "ConfigConfirmed": true,
}

// shown tells whether a record is worth telling.
func shown(record events.Record) bool {
	if seen := record.Command.GetObserveCondition(); seen != nil || record.Command != nil && !person(record) {
		return false
	}

	// That a file was skipped is said of the service that it is about. It leads to nothing else, although all that a reading of
	// the files did follows it in the journal.
	if record.Event.GetSpecRejected() != nil && record.Service == "" {
		return false
	}

	return !hidden[record.Kind]
}

func causeOf(record events.Record) *Cause {
	return &Cause{
		Seq: record.Seq, Service: record.Service, Text: text(record), At: moment(record), BootID: record.BootID,
	}
}

// Words says what a record without a text for people means; empty where it has no words for it.
func Words(record events.Record) string {
	switch kind := record.Event.GetKind().(type) {
	case *events.Event_ConditionChanged, *events.Event_SpecLoaded, *events.Event_SpecChanged, *events.Event_FilesRead:
		return text(record)
	case *events.Event_DesiredChanged:
		if kind.DesiredChanged.GetStarted() {
			return "somebody wants it started"
		}

		return "somebody wants it stopped"
	case *events.Event_HealthChanged:
		word := "not healthy"
		if kind.HealthChanged.GetHealthy() {
			word = "healthy"
		}

		return strings.TrimSuffix(word+": "+kind.HealthChanged.GetMessage(), ": ")
	}

	if person(record) {
		return asked(record)
	}

	return ""
}

// text words a record as a clause.
func text(record events.Record) string {
	id := record.Service

	switch kind := record.Event.GetKind().(type) {
	case *events.Event_ConditionChanged:
		return conditionText(kind.ConditionChanged)
	case *events.Event_SpecLoaded:
		return "the daemon took over " + id + fileText(kind.SpecLoaded.GetLifecycle().GetSource())
	case *events.Event_SpecChanged:
		return "the file or the configuration of " + id + " changed" + fileText(kind.SpecChanged.GetLifecycle().GetSource())
	case *events.Event_StartFailed:
		return "the start of " + id + " failed: " + kind.StartFailed.GetProblem()
	case *events.Event_TaskStarted:
		return fmt.Sprintf("the task of %s (PID %d) was started", id, kind.TaskStarted.GetPid())
	case *events.Event_RuntimeConnected:
		return fmt.Sprintf("extactor connected to containerd %s at %s", kind.RuntimeConnected.GetVersion(), kind.RuntimeConnected.GetAddress())
	case *events.Event_RuntimeDisconnected:
		return "extactor had no connection to containerd: " + kind.RuntimeDisconnected.GetProblem()
	case *events.Event_TaskLost:
		return "the task of " + id + " was gone, and nobody knows how it ended"
	case *events.Event_TaskAdopted:
		return fmt.Sprintf("the task of %s (PID %d) went on under another daemon", id, kind.TaskAdopted.GetPid())
	case *events.Event_TaskDiscarded:
		return "a container of " + id + " was removed: " + kind.TaskDiscarded.GetReason()
	case *events.Event_ServiceQuarantined:
		return id + " is left alone after an internal error: " + kind.ServiceQuarantined.GetProblem()
	case *events.Event_FilesRead:
		return filesText(kind.FilesRead) + by(record.Origin)
	case *events.Event_ShutdownBegan:
		return "extactor began to stop all services"
	case *events.Event_DesiredChanged:
		return "somebody asked for " + id
	}

	if record.Command != nil {
		return asked(record)
	}

	if record.Message == "" {
		return strings.TrimSpace(record.Kind + " " + id)
	}

	if rest, found := strings.CutPrefix(record.Message, "Task "+id); found {
		return "the task of " + id + rest
	}

	if id == "" || strings.Contains(record.Message, id) {
		return record.Message
	}

	return id + ": " + record.Message
}

// asked words a person's command.
func asked(record events.Record) string {
	verb := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(record.Kind, "command."), "Service"))

	return fmt.Sprintf("%s of %s was asked for%s", verb, record.Service, by(record.Origin))
}

// came words what happened to a condition, by its kind: to what is met, and to what is not met any more.
var came = map[string][2]string{
	"service":         {"service %q came up", "service %q was down"},
	"completed":       {"service %q had completed", "service %q had not completed"},
	"path":            {"file %q was there", "file %q was not there"},
	"environmentFile": {"environment file %q was there", "environment file %q was not there"},
}

func conditionText(changed *events.ConditionChanged) string {
	kind, name, _ := strings.Cut(changed.GetKey(), ":")

	text := changed.GetText()
	if text == "" {
		text = changed.GetKey()
	}

	words, known := came[kind]

	switch {
	case known && changed.GetMet():
		return fmt.Sprintf(words[0], name)
	case known:
		return fmt.Sprintf(words[1], name)
	case changed.GetMet():
		return text + " was met"
	default:
		return text + " was not met"
	}
}

// Awaits words that a service waits for a condition, also for one that nobody has reported yet.
func Awaits(condition events.ConditionView) string {
	text := condition.Text
	if text == "" {
		kind, name, _ := strings.Cut(condition.Key, ":")
		text = strings.TrimSpace(kind + " " + name)
	}

	return "it waits for " + text
}

// kindOf is the kind in the key of a condition.
func kindOf(key string) string {
	kind, _, _ := strings.Cut(key, ":")

	return kind
}

// absence words how a condition has not been met.
func absence(kind string, ever bool) string {
	file := kind == "path" || kind == "environmentFile" || kind == "configuration"

	switch {
	case file && ever:
		return "disappeared"
	case file:
		return "never appeared in this boot"
	case ever:
		return "was so until then"
	default:
		return "never was so in this boot"
	}
}

func fileText(source string) string {
	if source == "" {
		return ""
	}

	return " (" + source + ")"
}

// mostFiles is how many files are named where more were read.
const mostFiles = 3

func filesText(read *events.FilesRead) string {
	var names []string

	for _, file := range read.GetFiles() {
		what := file.GetService()
		if file.GetConfig() {
			what = "the configuration of " + what
		}

		names = append(names, what+" "+file.GetAction())
	}

	switch {
	case len(names) == 0:
		return "the files were read"
	case len(names) > mostFiles:
		names = append(names[:mostFiles], fmt.Sprintf("and %d more", len(names)-mostFiles))
	}

	return "the files were read: " + strings.Join(names, ", ")
}

// by names who gave a command.
func by(origin *events.Origin) string {
	switch origin.GetVia() {
	case "cli", "api":
		return fmt.Sprintf(" by user %d (PID %d, %s)", origin.GetUid(), origin.GetPid(), origin.GetVia())
	case "network":
		return " over the network by " + origin.GetRemote()
	default:
		return ""
	}
}

func restarted(times int) string {
	if times == 1 {
		return "it was restarted once"
	}

	return fmt.Sprintf("it was restarted %d times", times)
}

// stateText words the state of a service.
func stateText(view events.View) string {
	switch {
	case view.State == events.StateWaiting && view.NextRetry != 0:
		return "waits for its next try"
	case view.State == events.StateWaiting:
		return "is waiting"
	case view.State == events.StateFailed:
		return "has failed"
	case view.State == events.StateFinished:
		return "has finished"
	case view.State == events.StateSkipped:
		return "is skipped"
	case view.State == events.StateRunning && !view.Health.Unknown && !view.Health.Healthy:
		return "is running, and not healthy"
	default:
		return "is " + strings.ToLower(view.State)
	}
}
