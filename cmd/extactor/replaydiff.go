package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// diffDocument is `extactor replay --diff -o json`.
type diffDocument struct {
	APIVersion string           `json:"apiVersion"`
	From       uint64           `json:"from"` // revisions
	To         uint64           `json:"to"`
	Changes    []changeDocument `json:"changes"`
}

type changeDocument struct {
	Service string `json:"service"` // empty for a file that is not used
	Field   string `json:"field"`   // as in status -o json; "service" where it appeared or is gone; "file" and its name
	Before  string `json:"before"`
	After   string `json:"after"`
}

// showDiff shows what is another at a second moment than at a first one.
func (a *app) showDiff(before, after *apiv1.StatusAtResponse, ids []string, output string) error {
	difference := diffDocument{
		APIVersion: apiVersion, From: before.GetStatus().GetRevision(), To: after.GetStatus().GetRevision(), Changes: []changeDocument{},
	}

	difference.Changes = append(difference.Changes, changesOf(before.GetStatus().GetServices(), after.GetStatus().GetServices(), len(ids) == 0)...)
	if len(ids) == 0 {
		difference.Changes = append(difference.Changes, filesChanged(before.GetStatus().GetRejected(), after.GetStatus().GetRejected())...)
	}

	a.warnOfEarlier(max(before.GetBefore(), after.GetBefore()))

	switch output {
	case outputJSON:
		return writeJSON(a.stdout, difference, "  ")
	case outputYAML:
		return writeYAML(a.stdout, difference)
	}

	if len(difference.Changes) == 0 {
		fmt.Fprintln(a.stdout, "nothing changed")

		return nil
	}

	rows := [][]cell{plain("SERVICE", "WHAT", "BEFORE", "AFTER")}
	for _, change := range difference.Changes {
		rows = append(rows, plain(orDash(change.Service), change.Field, orDash(change.Before), orDash(change.After)))
	}

	(&table{out: a.stdout}).write(rows...)

	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}

	return text
}

// changesOf compares the services of two moments; those that are gone count where all were asked for.
func changesOf(before, after []*apiv1.Service, all bool) (changes []changeDocument) {
	find := func(services []*apiv1.Service, id string) *apiv1.Service {
		index := slices.IndexFunc(services, func(service *apiv1.Service) bool { return service.GetId() == id })
		if index < 0 {
			return nil
		}

		return services[index]
	}

	for _, now := range after {
		was := find(before, now.GetId())
		if was == nil {
			changes = append(changes, changeDocument{Service: now.GetId(), Field: "service", After: now.GetState()})

			continue
		}

		old, changed := fieldsOf(was), fieldsOf(now)
		for i := range old {
			if old[i].value != changed[i].value {
				changes = append(changes, changeDocument{Service: now.GetId(), Field: old[i].name, Before: old[i].value, After: changed[i].value})
			}
		}
	}

	for _, was := range before {
		if all && find(after, was.GetId()) == nil {
			changes = append(changes, changeDocument{Service: was.GetId(), Field: "service", Before: was.GetState()})
		}
	}

	return changes
}

// filesChanged compares the files that are not used because they have problems: at which lines and columns.
func filesChanged(before, after []*apiv1.RejectedFile) (changes []changeDocument) {
	problems := func(files []*apiv1.RejectedFile, name string) string {
		for _, file := range files {
			if file.GetFile() == name {
				return "skipped: " + strings.Join(file.GetPositions(), ", ")
			}
		}

		return ""
	}

	for _, file := range slices.Concat(after, before) {
		name := file.GetFile()
		change := changeDocument{Field: "file " + name, Before: problems(before, name), After: problems(after, name)}

		if change.Before != change.After && !slices.Contains(changes, change) {
			changes = append(changes, change)
		}
	}

	return changes
}

type field struct{ name, value string }

// fieldsOf is what of a service can be compared; its events are told by how many there are since.
func fieldsOf(service *apiv1.Service) []field {
	waiting := make([]string, 0, len(service.GetWaitingFor()))
	for _, dependency := range service.GetWaitingFor() {
		waiting = append(waiting, dependency.GetText())
	}

	exit := ""
	if last := service.GetLastExit(); last != nil {
		exit = fmt.Sprintf("code %d", last.GetCode())

		switch {
		case !last.GetKnown():
			exit = "unknown"
		case last.GetOom():
			exit += ", out of memory"
		case last.GetSignal() != 0:
			exit += fmt.Sprintf(", signal %d", last.GetSignal())
		}
	}

	last := ""
	if lines := service.GetEvents(); len(lines) > 0 {
		last = lines[len(lines)-1].GetMessage()
	}

	health := healthWord(service)
	if message := service.GetHealth().GetLastMessage(); message != "" {
		health += " (" + message + ")"
	}

	number := func(value uint64) string { return strconv.FormatUint(value, 10) }

	return []field{
		{"state", service.GetState()}, {"desired", service.GetDesired()}, {"health", health}, {"attempt", number(service.GetAttempt())},
		{"restarts", number(service.GetRestarts())}, {"pid", number(uint64(service.GetPid()))},
		{"waitingFor", strings.Join(waiting, ", ")}, {"lastExit", exit}, {"problem", service.GetProblem()},
		{"fileProblem", service.GetFileProblem()}, {"cycle", strings.Join(service.GetCycle(), " -> ")}, {"source", service.GetSource()},
		{"restartPending", strconv.FormatBool(service.GetRestartPending())}, {"lastEvent", last},
	}
}
