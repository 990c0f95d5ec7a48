package main

import (
	"context"
	"io"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// watchStatus shows what changes until it is interrupted: on a terminal the whole table again, on a pipe the rows that
// changed, with -o json one line and with -o yaml one document for each change.
func (a *app) watchStatus(ctx context.Context, ids []string, output string) error {
	return a.ask(func(client *api.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		stream, err := client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{Ids: ids})
		if err != nil {
			return err
		}

		switch {
		case output == outputJSON:
			return receive(stream.Recv, func(changed *apiv1.StatusResponse) error { return writeJSON(a.stdout, documentOf(changed), "") })
		case output == outputYAML:
			return receive(stream.Recv, func(changed *apiv1.StatusResponse) error { return writeYAML(a.stdout, documentOf(changed)) })
		case isTerminal(a.stdout):
			return a.watchScreen(ctx, stream.Recv, len(ids) == 1)
		default:
			return receive(stream.Recv, a.printRows())
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

// printRows prints the rows that changed, under a heading that is printed once.
func (a *app) printRows() func(*apiv1.StatusResponse) error {
	table := &table{out: a.stdout, widths: []int{0, widestState}}
	rows := [][]cell{plain(header...)}

	return func(changed *apiv1.StatusResponse) error {
		for _, service := range changed.GetServices() {
			rows = append(rows, a.row(service))
		}

		for _, id := range changed.GetRemoved() {
			rows = append(rows, plain(id, "-", "-", "", "Removed"))
		}

		table.write(rows...)
		rows = nil

		return nil
	}
}
