package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

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

// showFleetEvents shows the events of several nodes, as if they were of one: what there is in the order of its time of day,
// and then, where that is asked for, what happens from then on as it comes.
func (a *app) showFleetEvents(ctx context.Context, request *apiv1.EventsRequest, output string) error {
	targets, err := a.targets()
	if err != nil {
		return err
	}

	var (
		show   = a.fleetPrinter(output)
		all    []nodeRecord
		seen   = map[string]uint64{} // the newest record of each node that has answered
		follow = request.GetFollow()
	)

	failed := eachOf(a, targets, func(node *app, client *api.Client) (nodePast, error) {
		return node.past(ctx, client, request)
	}, func(node *app, past nodePast) error {
		all, seen[node.node] = append(all, past.records...), past.newest

		return nil
	})

	slices.SortStableFunc(all, func(a, b nodeRecord) int {
		return cmp.Compare(a.record.GetAt().GetWallNs(), b.record.GetAt().GetWallNs())
	})

	if err := show(all...); err != nil || !follow {
		return cmp.Or(err, failed)
	}

	targets = slices.DeleteFunc(targets, func(target target) bool {
		newest, answered := seen[target.node]

		return !answered || !goesOn(request.GetUntil(), newest)
	})

	var turn sync.Mutex

	fleet := *a
	fleet.several = true // also where only one of them has answered

	return cmp.Or(eachOf(&fleet, targets, func(node *app, client *api.Client) (struct{}, error) {
		return struct{}{}, eachRecord(ctx, client, after(request, seen[node.node]), func(record *apiv1.EventRecord) error {
			turn.Lock()
			defer turn.Unlock()

			return show(nodeRecord{node, record})
		})
	}, func(*app, struct{}) error { return nil }), failed)
}

// nodePast is what a node has of what is asked for, and the newest record that was looked at for that.
type nodePast struct {
	records []nodeRecord
	newest  uint64
}

// past asks a node for what there is.
func (a *app) past(ctx context.Context, client *api.Client, request *apiv1.EventsRequest) (past nodePast, err error) {
	// First, so that nothing is left out that is written meanwhile.
	err = eachRecord(ctx, client, &apiv1.EventsRequest{Tail: 1}, func(record *apiv1.EventRecord) error {
		past.newest = record.GetSeq()

		return nil
	})
	if err != nil {
		return past, err
	}

	request = proto.CloneOf(request)
	request.Follow = false

	err = eachRecord(ctx, client, request, func(record *apiv1.EventRecord) error {
		past.records, past.newest = append(past.records, nodeRecord{a, record}), max(past.newest, record.GetSeq())

		return nil
	})

	return past, err
}

// after is the request for what follows a record.
func after(request *apiv1.EventsRequest, newest uint64) *apiv1.EventsRequest {
	request = proto.CloneOf(request)
	request.Since, request.From, request.Tail = newest, nil, -1

	return request
}

// goesOn tells whether something that is asked for may yet come after a record.
func goesOn(until *apiv1.Point, newest uint64) bool {
	switch kind := until.GetKind().(type) {
	case nil:
		return true
	case *apiv1.Point_Seq:
		return kind.Seq > newest
	case *apiv1.Point_WallNs:
		return kind.WallNs > time.Now().UnixNano()
	default: // so long ago, or the beginning of a boot
		return false
	}
}

// fleetPrinter prints records in a format, under one heading.
func (a *app) fleetPrinter(output string) func(rows ...nodeRecord) error {
	table, palette := &table{out: a.stdout}, a.paint()

	return func(rows ...nodeRecord) error {
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
}

func eachRecord(ctx context.Context, client *api.Client, request *apiv1.EventsRequest, use func(*apiv1.EventRecord) error) error {
	stream, err := client.Extactor.Events(ctx, request)
	if err != nil {
		return err
	}

	return receive(stream.Recv, use)
}
