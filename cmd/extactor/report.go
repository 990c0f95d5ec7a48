package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/report"
)

// reportFlags are what of the past a report is about, as it is written.
type reportFlags struct {
	output, boot, since, until string
	logs                       int32 // lines
	file                       *string
}

func (a *app) reportCommand() *cobra.Command {
	flags := &reportFlags{}
	command := &cobra.Command{
		Use:   "report",
		Short: "Write the past as one HTML page with a slider for time",
		Long: "Write one HTML page of the journal with a slider for time: the services, what they depend on, the timeline, the " +
			"events and the last lines of what failed, at every moment as they were. The page needs no network and no daemon, only " +
			"a browser. It holds what the journal holds, for whoever may read the page.\n\nA moment is " + momentHelp + ".",
		Example: "  extactor report -o tuesday.html --since 2026-01-06 --until 2026-01-07\n" +
			"  extactor report --boot -1\n" +
			"  extactor report --journal /mnt/var/lib/extactor -o - >dead-machine.html",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			switch {
			case flags.logs < 0:
				return usageError{fmt.Errorf("--logs %d is not a number of lines", flags.logs)}
			case flags.logs > 0 && *flags.file != "":
				return usageError{errors.New("--logs asks the daemon for what services printed; the file of a journal has their last lines only")}
			}

			return a.report(command.Context(), flags)
		},
	}
	command.Flags().StringVarP(&flags.output, "output", "o", "report.html", "file to write; -: standard output")
	command.Flags().StringVar(&flags.boot, "boot", "", "only one boot: 0 is the newest, -1 the one before, or a kernel boot id")
	command.Flags().StringVar(&flags.since, "since", "", "only from this time on")
	command.Flags().StringVar(&flags.until, "until", "", "only up to this time")
	command.Flags().Int32Var(&flags.logs, "logs", 0, "also the last lines of each service's log, so many, as they were printed: they may hold secrets")
	flags.file = a.journalFlag(command)
	complete(command, "boot", cobra.ShellCompDirectiveNoFileComp, "0", "-1")
	_ = command.MarkFlagFilename("output", "html") // only for a flag that does not exist

	return a.asks(command)
}

func (a *app) report(ctx context.Context, flags *reportFlags) error {
	return a.readJournal(ctx, *flags.file, func(reader *journal.Reader, kept *apiv1.JournalStatusResponse) error {
		page, made, err := a.makeReport(ctx, reader, kept, flags)
		if err != nil {
			return err
		}

		if flags.output == "-" {
			_, err := a.stdout.Write(page)

			return err
		}

		if err := os.WriteFile(flags.output, page, 0o600); err != nil {
			return fmt.Errorf("cannot write the report: %w", err)
		}

		fmt.Fprintf(a.stderr, "extactor: %s has %s of %s and %.1f MB\n", flags.output,
			counted(made.Rows(), "record", "records"), counted(made.Services(), "service", "services"), float64(len(page))/1e6)

		return nil
	})
}

func (a *app) makeReport(ctx context.Context, reader *journal.Reader, kept *apiv1.JournalStatusResponse, flags *reportFlags) ([]byte, *report.Report, error) {
	scope, err := a.scope(ctx, reader, kept != nil, flags)
	if err != nil {
		return nil, nil, err
	}

	made := report.New(scope.first)

	err = reader.Each(ctx, 0, scope.last, func(record events.Record) bool {
		made.Add(record)

		return true
	})
	if err != nil {
		return nil, nil, err
	}

	heading := report.Heading{Version: version, WallNS: time.Now().UnixNano(), Source: "a copy of " + *flags.file}
	if kept != nil {
		heading.Node, heading.Source = a.node, "the running daemon"
	}

	if heading.Missing, err = missing(ctx, reader, kept); err != nil {
		return nil, nil, err
	}

	if kept.GetBuffered() > 0 {
		heading.Missing = append(heading.Missing, a.addBuffered(ctx, reader, made, scope, kept))
	}

	if made.Rows() == 0 {
		return nil, nil, errors.New("cannot make a report: nothing was recorded in this time")
	}

	if end := made.End(); scope.open && end.BootID == a.clock().bootID {
		heading.AfterNS = max(a.clock().bootNS-end.BootNS, 0)
	}

	logs, failed, err := a.lastLogs(ctx, flags.logs)
	if err != nil {
		return nil, nil, err
	}

	heading.Missing = append(heading.Missing, failed...)

	for _, text := range heading.Missing { // who makes the page may not be who reads it
		fmt.Fprintf(a.stderr, "extactor: %s\n", text)
	}

	page, err := made.Page(heading, logs)

	return page, made, err
}

// addBuffered adds what the daemon has in memory only, and tells what of that is not in the page.
func (a *app) addBuffered(ctx context.Context, reader *journal.Reader, made *report.Report, scope scope, kept *apiv1.JournalStatusResponse) string {
	text := fmt.Sprintf("the journal cannot be written: %s; ", kept.GetProblem())
	if !scope.open {
		return text + counted(kept.GetBuffered(), "record is", "records are") + " in the daemon's memory only and not here"
	}

	seq, _, _ := reader.End()
	run := made.End().RunID

	err := a.ask(func(client *api.Client) error {
		stream, err := client.Extactor.Events(ctx, &apiv1.EventsRequest{Facts: true, Since: seq})
		if err != nil {
			return err
		}

		return receive(stream.Recv, func(record *apiv1.EventRecord) error {
			converted, err := recordOf(record)
			if err != nil {
				return err
			}

			if converted.RunID = run; converted.Event.GetDaemonStarted() != nil || run == "" {
				run = "the one that runs"
				converted.RunID = run
			}

			made.Add(converted)

			return nil
		})
	})
	if err != nil {
		return text + fmt.Sprintf("%s in the daemon's memory only, which does not tell them: %v", counted(kept.GetBuffered(), "record is", "records are"), err)
	}

	return text + "what follows record " + strconv.FormatUint(seq, 10) + " is from the daemon's memory, without the commands that led to it"
}

// lastLogs asks the daemon for the last lines that each service printed, and tells which logs could not be read.
func (a *app) lastLogs(ctx context.Context, lines int32) (logs report.Logs, failed []string, err error) {
	if lines == 0 {
		return nil, nil, nil
	}

	status, err := a.status(ctx, nil)
	if err != nil {
		return nil, nil, err
	}

	logs = report.Logs{}
	err = a.ask(func(client *api.Client) error {
		for _, service := range status.GetServices() {
			if !strings.HasPrefix(service.GetId(), "ext-") {
				continue // what is not ours has no log here
			}

			var printed bytes.Buffer

			reading := *a
			reading.stdout = &printed

			request := &apiv1.LogsRequest{Ids: []string{service.GetId()}, Tail: lines}
			if err := reading.showLog(ctx, client, request); err != nil {
				failed = append(failed, fmt.Sprintf("the log of %s cannot be read: %v", service.GetId(), client.Explain(err)))
			}

			if text := strings.TrimRight(printed.String(), "\n"); text != "" {
				logs[service.GetId()] = strings.Split(text, "\n")
			}
		}

		return nil
	})

	return logs, failed, err
}
