package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// defaultTail is how many records are shown when nobody says: as many as a service's EVENTS has lines.
const defaultTail = 64

// eventsFlags are what of the events is asked for, as it is written.
type eventsFlags struct {
	output       string
	since, until string
	request      apiv1.EventsRequest
}

func (a *app) eventsCommand() *cobra.Command {
	flags := &eventsFlags{}
	command := &cobra.Command{
		Use:   "events [ID]",
		Short: "Show what happened, from the journal",
		Long: "Show what happened, from the journal: that of the daemon, or, with --journal, a file of one.\n\n" +
			"A time is " + momentHelp + ".",
		Example: "  extactor events --service hello-world --since 10m -f\n" +
			"  extactor events --boot -1 --kind TaskExited,StartFailed -o json\n" +
			"  extactor events --journal /mnt/var/lib/extactor --grep 'exit code [1-9]'",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(command *cobra.Command, args []string) error {
			request, err := flags.asked(args, command.Flags().Changed("tail"))
			if err != nil {
				return err
			}

			return a.showEvents(command.Context(), request, flags.output)
		},
	}

	request := &flags.request
	command.Flags().StringSliceVar(&request.Services, "service", nil, "only events of this service; may be repeated")
	command.Flags().StringSliceVar(&request.Kinds, "kind", nil, "only events of this kind, such as TaskExited or command.StopService; may be repeated")
	command.Flags().StringVar(&flags.since, "since", "", "only events from this time on; of a sequence only what follows it")
	command.Flags().StringVar(&flags.until, "until", "", "only events up to this time")
	command.Flags().StringVar(&request.Boot, "boot", "", "only events of one boot: 0 is the newest, -1 the one before, or a kernel boot id")
	command.Flags().StringVar(&request.Grep, "grep", "", "only events whose text matches this regular expression")
	command.Flags().BoolVarP(&request.Follow, "follow", "f", false, "go on with what happens from now on")
	command.Flags().Int32Var(&request.Tail, "tail", defaultTail, "the last events, so many; -1: all, as with --since and --boot")
	command.Flags().StringVarP(&flags.output, "output", "o", outputTable, "table; json: one object a line; or yaml: one document each")
	completeOutput(command, outputTable, outputJSON, outputYAML)
	complete(command, "kind", cobra.ShellCompDirectiveNoFileComp, api.Kinds()...)

	_ = command.RegisterFlagCompletionFunc("service", a.completeIDs(-1)) // only for a flag that does not exist

	return a.asksPast(command)
}

// asked is the request that the flags mean.
func (f *eventsFlags) asked(args []string, tail bool) (*apiv1.EventsRequest, error) {
	if !slices.Contains([]string{outputTable, outputJSON, outputYAML}, f.output) {
		return nil, usageError{fmt.Errorf("-o %q is not known; it is table, json or yaml", f.output)}
	}

	if f.request.GetTail() < -1 {
		return nil, usageError{fmt.Errorf("--tail %d is not a number of events; -1 means all", f.request.GetTail())}
	}

	request := &f.request
	if len(args) == 1 {
		request.Service = args[0]
	}

	if f.since != "" {
		point, err := pointOf("--since", f.since)
		if err != nil {
			return nil, err
		}

		if seq, ok := point.GetKind().(*apiv1.Point_Seq); ok {
			request.Since = seq.Seq
		} else {
			request.From = point
		}
	}

	var err error
	if request.Until, err = optionalPoint("--until", f.until); err != nil {
		return nil, err
	}

	if !tail && (f.since != "" || request.GetBoot() != "") {
		request.Tail = -1
	}

	return request, nil
}

func (a *app) showEvents(ctx context.Context, request *apiv1.EventsRequest, output string) error {
	if targets, err := a.targets(); err == nil && len(targets) > 1 {
		return a.showFleetEvents(ctx, request, output)
	}

	widest := a.widestID(ctx, request)

	return a.ask(func(client *api.Client) error {
		show, flush := a.recordPrinter(request.GetFollow(), widest, output)

		first := true

		if err := eachRecord(ctx, client, request, func(record *apiv1.EventRecord) error {
			if first && request.GetTail() < 0 { // not only the newest
				a.warnOfDeleted(ctx, client, record.GetSeq())
			}

			first = false

			return show(record)
		}); err != nil {
			return err
		}

		flush()

		return nil
	})
}

// recordPrinter prints records in a format; what it keeps back is printed by flush.
func (a *app) recordPrinter(follow bool, widest int, output string) (show func(*apiv1.EventRecord) error, flush func()) {
	switch output {
	case outputJSON:
		return func(record *apiv1.EventRecord) error { return writeJSON(a.stdout, a.recordDocumentOf(record), "") }, func() {}
	case outputYAML:
		return func(record *apiv1.EventRecord) error { return writeYAML(a.stdout, a.recordDocumentOf(record)) }, func() {}
	default:
		return a.printRecords(follow, widest)
	}
}

// widestID is the room that the column of services needs, where rows come one by one. Without an answer it begins narrow:
// what is wrong is told by the next call.
func (a *app) widestID(ctx context.Context, request *apiv1.EventsRequest) int {
	if !request.GetFollow() {
		return 0
	}

	ids := slices.Clone(request.GetServices())
	if request.GetService() != "" {
		ids = append(ids, request.GetService())
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

// rowsAtOnce is how many rows stand under each other for sure: a journal may have very many.
const rowsAtOnce = 10000

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
		rows = append(rows, recordRow(record, palette))

		if follow || len(rows) == rowsAtOnce {
			flush()
		}

		return nil
	}

	return show, flush
}

func recordRow(record *apiv1.EventRecord, palette palette) []cell {
	service, state := record.GetService(), record.GetState()
	if service == "" {
		service, state = "-", "-"
	}

	row := plain(timestamp(record.GetAt()), service, cmp.Or(state, "-"), eventText(record))
	row[2].style = palette.state(state)

	return row
}
