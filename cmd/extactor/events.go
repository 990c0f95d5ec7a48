package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// defaultTail is how many records are shown when nobody says: as many as a service's EVENTS has lines.
const defaultTail = 64

func (a *app) eventsCommand() *cobra.Command {
	var output string

	request := &apiv1.EventsRequest{}
	command := &cobra.Command{
		Use:               "events [ID]",
		Short:             "Show what happened, from the journal",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if output != outputTable && output != outputJSON {
				return usageError{fmt.Errorf("-o %q is not known; it is table or json", output)}
			}

			if request.GetTail() < -1 {
				return usageError{fmt.Errorf("--tail %d is not a number of events; -1 means all", request.GetTail())}
			}

			if len(args) == 1 {
				request.Service = args[0]
			}

			show, flush := a.printRecords(request.GetFollow(), a.widestID(command.Context(), request))
			if output == outputJSON {
				show = func(record *apiv1.EventRecord) error { return writeJSON(a.stdout, recordDocumentOf(record), "") }
				flush = func() {}
			}

			return a.ask(func(client *api.Client) error {
				stream, err := client.Extactor.Events(command.Context(), request)
				if err != nil {
					return err
				}

				if err := receive(stream.Recv, show); err != nil {
					return err
				}

				flush()

				return nil
			})
		},
	}
	command.Flags().BoolVarP(&request.Follow, "follow", "f", false, "go on with what happens from now on")
	command.Flags().Int32Var(&request.Tail, "tail", defaultTail, "begin with the last events, so many; -1: all")
	command.Flags().Uint64Var(&request.Since, "since", 0, "only events after this sequence (seq in -o json, revision in status -o json)")
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, or json: one object a line")
	completeOutput(command, outputTable, outputJSON)

	return a.asks(command)
}

// widestID is the room that the column of services needs, where rows come one by one. Without an answer it begins narrow:
// what is wrong is told by the next call.
func (a *app) widestID(ctx context.Context, request *apiv1.EventsRequest) int {
	if !request.GetFollow() {
		return 0
	}

	var ids []string
	if request.GetService() != "" {
		ids = []string{request.GetService()}
	}

	response, err := a.status(ctx, ids)
	if err != nil {
		return 0
	}

	widest := 0
	for _, service := range response.GetServices() {
		widest = max(widest, len(service.GetId()))
	}

	return widest
}

// printRecords prints one line for each record; the daemon's own have no service. The rows are printed by flush, or, where
// they go on for ever, one by one.
func (a *app) printRecords(follow bool, widest int) (show func(*apiv1.EventRecord) error, flush func()) {
	table, palette := &table{out: a.stdout}, a.paint()
	if follow {
		table.widths = []int{len(timestamp(nil)), widest, widestState}
	}

	rows := [][]cell{plain("TIME", "SERVICE", "STATE", "EVENT")}
	flush = func() {
		table.write(rows...)
		rows = nil
	}
	show = func(record *apiv1.EventRecord) error {
		service, state := record.GetService(), record.GetState()
		if service == "" {
			service, state = "-", "-"
		}

		row := plain(timestamp(record.GetAt()), service, state, record.GetMessage())
		row[2].style = palette.state(state)
		rows = append(rows, row)

		if follow {
			flush()
		}

		return nil
	}

	return show, flush
}
