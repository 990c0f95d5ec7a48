package main

import (
	"context"
	"io"
	"slices"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// roomForID is room for the id of a service, where nobody knows those that will come.
const roomForID = 20

// watchStatus shows what changes until it is interrupted: on a terminal the whole table again; on a pipe, or of several
// nodes, the rows that changed; with -o json one line and with -o yaml one document for each change.
func (a *app) watchStatus(ctx context.Context, ids []string, output string) error {
	targets, err := a.targets()
	if err != nil {
		return err
	}

	// Lines of several nodes stand under one heading, whenever they come.
	widths := []int{0, widestState}

	if len(targets) > 1 {
		widths = []int{0, roomForID, widestState}
		for _, target := range targets {
			widths[0] = max(widths[0], len(target.node))
		}

		if output == outputTable {
			heading := &table{out: a.stdout, widths: widths}
			heading.write(plain(append([]string{"NODE"}, header...)...))
			widths = heading.widths
		}
	}

	return a.eachStream(func(node *app, client *api.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		stream, err := client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{Ids: ids})
		if err != nil {
			return err
		}

		next := func() (*apiv1.StatusResponse, error) {
			changed, err := stream.Recv()
			node.clockOf(changed.GetNow())

			return changed, err
		}

		switch {
		case output == outputJSON:
			return receive(next, func(changed *apiv1.StatusResponse) error { return writeJSON(node.stdout, node.documentOf(changed), "") })
		case output == outputYAML:
			return receive(next, func(changed *apiv1.StatusResponse) error { return writeYAML(node.stdout, node.documentOf(changed)) })
		case isTerminal(node.stdout):
			return node.watchScreen(ctx, next, len(ids) == 1)
		default:
			return receive(next, node.printRows(widths))
		}
	})
}

// receive hands on what a stream yields until it ends, which is no error.
func receive[T any](next func() (T, error), use func(T) error) error {
	for {
		value, err := next()
		if err == io.EOF {
			return nil
		}

		if err != nil {
			return err
		}

		if err := use(value); err != nil {
			return err
		}
	}
}

// printRows prints the rows that changed: under a heading that is printed once or, of one of several nodes, with its name.
// What it is told of the widths of columns is the least.
func (a *app) printRows(widths []int) func(*apiv1.StatusResponse) error {
	table := &table{out: a.stdout, widths: slices.Clone(widths)}
	rows := [][]cell{plain(header...)}

	if a.several {
		rows = nil
	}

	return func(changed *apiv1.StatusResponse) error {
		first := len(rows)

		for _, service := range changed.GetServices() {
			rows = append(rows, a.row(service))
		}

		for _, id := range changed.GetRemoved() {
			rows = append(rows, plain(id, "-", "-", "", "Removed"))
		}

		for i := first; a.several && i < len(rows); i++ {
			rows[i] = slices.Insert(rows[i], 0, plain(a.node)...)
		}

		table.write(rows...)
		rows = nil

		return nil
	}
}
