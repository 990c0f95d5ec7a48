package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"sync"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// eachStream is eachNode for what goes on: each node's app writes whole lines, and no two nodes at once.
func (a *app) eachStream(follow func(node *app, client *api.Client) error) error {
	var turn sync.Mutex

	return eachNode(a, func(node *app, client *api.Client) (struct{}, error) {
		if node.several {
			node.stdout = &inTurn{out: a.stdout, turn: &turn}
		}

		return struct{}{}, follow(node, client)
	}, func(*app, struct{}) error { return nil })
}

// inTurn writes what it is given at once, while nobody else does.
type inTurn struct {
	out  io.Writer
	turn *sync.Mutex
}

// Write implements io.Writer.
func (w *inTurn) Write(content []byte) (int, error) {
	w.turn.Lock()
	defer w.turn.Unlock()

	return w.out.Write(content)
}

// prefixed writes lines under the name of the node that they come from.
type prefixed struct {
	out    io.Writer
	prefix string
	begun  []byte // a line whose end has not come yet
}

// Write implements io.Writer.
func (p *prefixed) Write(content []byte) (int, error) {
	p.begun = append(p.begun, content...)

	end := bytes.LastIndexByte(p.begun, '\n') + 1

	var lines []byte
	for line := range bytes.Lines(p.begun[:end]) {
		lines = append(append(lines, p.prefix...), line...)
	}

	p.begun = append([]byte(nil), p.begun[end:]...)

	if len(lines) > 0 {
		if _, err := p.out.Write(lines); err != nil {
			return 0, err
		}
	}

	return len(content), nil
}

// end writes the line that has no end.
func (p *prefixed) end() error {
	if len(p.begun) == 0 {
		return nil
	}

	_, err := p.Write([]byte("\n"))

	return err
}

// nodeRecord is a record with the node that it is of.
type nodeRecord struct {
	node   *app
	record *apiv1.EventRecord
}

// showFleetEvents shows the events of several nodes, as if they were of one: in the order of their time of day, or, where
// they go on for ever, as they come.
func (a *app) showFleetEvents(ctx context.Context, request *apiv1.EventsRequest, output string) error {
	table, palette := &table{out: a.stdout}, a.paint()
	print := func(rows ...nodeRecord) error {
		lines := make([][]cell, 0, len(rows)+1)
		if output == outputTable && len(table.widths) == 0 {
			lines = append(lines, plain("NODE", "TIME", "SERVICE", "STATE", "EVENT"))
		}

		for _, row := range rows {
			if output != outputTable {
				show, _ := row.node.recordPrinter(false, 0, output)
				if err := show(row.record); err != nil {
					return err
				}

				continue
			}

			lines = append(lines, slices.Insert(recordRow(row.record, palette), 0, plain(row.node.node)...))
		}

		table.write(lines...)

		return nil
	}

	if request.GetFollow() {
		var turn sync.Mutex

		return a.eachStream(func(node *app, client *api.Client) error {
			return eachRecord(ctx, client, request, func(record *apiv1.EventRecord) error {
				turn.Lock()
				defer turn.Unlock()

				return print(nodeRecord{node, record})
			})
		})
	}

	var all []nodeRecord

	failed := eachNode(a, func(node *app, client *api.Client) (found []nodeRecord, err error) {
		err = eachRecord(ctx, client, request, func(record *apiv1.EventRecord) error {
			found = append(found, nodeRecord{node, record})

			return nil
		})

		return found, err
	}, func(_ *app, found []nodeRecord) error {
		all = append(all, found...)

		return nil
	})

	slices.SortStableFunc(all, func(a, b nodeRecord) int {
		return cmp.Compare(a.record.GetAt().GetWallNs(), b.record.GetAt().GetWallNs())
	})

	return cmp.Or(print(all...), failed)
}

func eachRecord(ctx context.Context, client *api.Client, request *apiv1.EventsRequest, use func(*apiv1.EventRecord) error) error {
	stream, err := client.Extactor.Events(ctx, request)
	if err != nil {
		return err
	}

	return receive(stream.Recv, use)
}
