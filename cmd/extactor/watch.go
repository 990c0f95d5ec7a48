package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// redrawEvery keeps the ages on a terminal true.
const redrawEvery = time.Second

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
			return a.redraw(ctx, stream.Recv, len(ids) == 1)
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

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)

	return ok && isatty.IsTerminal(file.Fd())
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

// redraw keeps a terminal showing the present state.
func (a *app) redraw(ctx context.Context, next func() (*apiv1.StatusResponse, error), single bool) error {
	var (
		shown   = map[string]*apiv1.Service{}
		changes = make(chan *apiv1.StatusResponse)
		ended   = make(chan error, 1)
		tick    = time.NewTicker(redrawEvery)
	)

	defer tick.Stop()

	go func() {
		ended <- receive(next, func(changed *apiv1.StatusResponse) error {
			select {
			case changes <- changed:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()

	for {
		select {
		case changed := <-changes:
			for _, service := range changed.GetServices() {
				shown[service.GetId()] = service
			}

			for _, id := range changed.GetRemoved() {
				delete(shown, id)
			}
		case <-tick.C:
		case err := <-ended:
			return err
		}

		a.draw(shown, single)
	}
}

// clearScreen moves the cursor to the top left and deletes what is on the screen.
const clearScreen = "\x1b[H\x1b[2J"

func (a *app) draw(shown map[string]*apiv1.Service, single bool) {
	services := make([]*apiv1.Service, 0, len(shown))
	for _, service := range shown {
		services = append(services, service)
	}

	slices.SortFunc(services, func(a, b *apiv1.Service) int { return cmp.Compare(a.GetId(), b.GetId()) })
	fmt.Fprint(a.stdout, clearScreen)

	if single && len(services) == 1 {
		a.showBlock(services[0])
	} else {
		a.showTable(services, false)
	}
}
