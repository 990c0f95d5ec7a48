package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/service"
)

// checks gives `extactor replay` its --check. It reads the records themselves, of a file (--journal) or of a copy of the
// daemon's journal.
func (a *app) checks(command *cobra.Command) *cobra.Command {
	var check bool

	command.Flags().BoolVar(&check, "check", false,
		"take every recorded decision again, and tell the first of each service that this version would take otherwise")

	run := command.RunE
	command.RunE = func(command *cobra.Command, ids []string) error {
		if !check {
			return run(command, ids)
		}

		output := command.Flag("output").Value.String()
		if output != outputTable && output != outputJSON {
			return usageError{fmt.Errorf("-o %q is not known for --check; it is table or json", output)}
		}

		for _, flag := range []string{"at", "diff", "follow", "from", "to", "speed"} {
			if command.Flags().Changed(flag) {
				return usageError{fmt.Errorf("--check is about the whole journal; it takes no --%s", flag)}
			}
		}

		if len(ids) > 0 {
			return usageError{errors.New("--check is about all services; it takes no ID")}
		}

		return a.checkJournal(command.Context(), command.Flag("journal").Value.String(), output)
	}

	return command
}

// checkJournal takes every recorded decision of a journal again: a file, a state directory, or the daemon's where none is
// said. It fails with errSilent, and says so, where today's machine decides otherwise than what is recorded.
func (a *app) checkJournal(ctx context.Context, file, output string) error {
	var checker service.Checker

	err := a.readJournal(ctx, file, func(reader *journal.Reader, status *apiv1.JournalStatusResponse) error {
		a.warnOfMissing(file, reader, status)

		err := reader.Each(ctx, 0, math.MaxInt64, func(record events.Record) bool {
			checker.Add(record)

			return true
		})

		a.warnOfDamaged(cmp.Or(file, status.GetPath()), reader)

		return err
	})
	if err != nil {
		return err
	}

	report := checker.Report()

	if output == outputJSON {
		if err := writeJSON(a.stdout, checkOf(report), "  "); err != nil {
			return err
		}
	} else {
		a.showCheck(report)
	}

	if report.Differences > 0 {
		return errSilent
	}

	return nil
}

func (a *app) showCheck(report service.CheckReport) {
	for _, first := range checkOf(report).First {
		fmt.Fprintf(a.stdout, "%s: the decision of event %d differs: %s\n", first.Service, first.Seq, first.Command)
		show := func(title string, decided []decidedDocument) {
			for _, entry := range decided {
				fmt.Fprintf(a.stdout, "  %s %s#%d %s %s\n", title, entry.State, entry.Attempt, entry.Kind, entry.Event)
			}
		}

		show("recorded", first.Recorded)
		show("today   ", first.Today)

		if first.Refused != "" {
			fmt.Fprintf(a.stdout, "  today    refused: %s\n", first.Refused)
		}
	}

	rest := ""
	if report.Unknown > 0 {
		rest += fmt.Sprintf(", %d of kinds that this version does not know", report.Unknown)
	}

	if report.Uncertain > 0 {
		rest += fmt.Sprintf(", %d not judged after missing events", report.Uncertain)
	}

	fmt.Fprintf(a.stdout, "%s, %s taken again: %d differ%s\n", counted(report.Records, "event", "events"),
		counted(report.Decisions, "decision", "decisions"), report.Differences, rest)
}

// checkDocument is `extactor replay --check -o json`.
type checkDocument struct {
	APIVersion  string                  `json:"apiVersion"`
	Events      int                     `json:"events"`
	Decisions   int                     `json:"decisions"` // that were taken again
	Differences int                     `json:"differences"`
	Unknown     int                     `json:"unknown"`   // of kinds that this version does not know
	Uncertain   int                     `json:"uncertain"` // that differ after missing events
	First       []otherDecisionDocument `json:"first"`     // the first difference of each service
}

type otherDecisionDocument struct {
	Seq      uint64            `json:"seq"`
	Service  string            `json:"service"`
	Command  string            `json:"command"`
	Recorded []decidedDocument `json:"recorded"`
	Today    []decidedDocument `json:"today"`
	Refused  string            `json:"refused,omitempty"` // why it is refused today
}

type decidedDocument struct {
	Kind    string `json:"kind"`
	Event   string `json:"event"` // its fields
	State   string `json:"state"`
	Attempt uint64 `json:"attempt"`
}

func checkOf(report service.CheckReport) checkDocument {
	document := checkDocument{
		APIVersion: apiVersion, Events: report.Records, Decisions: report.Decisions, Differences: report.Differences,
		Unknown: report.Unknown, Uncertain: report.Uncertain, First: make([]otherDecisionDocument, 0, len(report.First)),
	}

	for _, first := range report.First {
		document.First = append(document.First, otherDecisionDocument{
			Seq: first.Seq, Service: first.Service, Command: fields(first.Command), Recorded: decidedOf(first.Recorded),
			Today: decidedOf(first.Today), Refused: first.Refused,
		})
	}

	return document
}

func decidedOf(entries []events.Entry) []decidedDocument {
	documents := make([]decidedDocument, 0, len(entries))
	for _, entry := range entries {
		documents = append(documents, decidedDocument{
			Kind: entry.Event.KindName(), Event: fields(entry.Event), State: entry.State, Attempt: entry.Attempt,
		})
	}

	return documents
}

// fields are those of a command or an event as JSON in one line. Its spaces are made the same each time.
func fields(message proto.Message) string {
	content, err := protojson.Marshal(message)
	if err != nil {
		return err.Error()
	}

	return strings.ReplaceAll(string(content), ": ", ":")
}
