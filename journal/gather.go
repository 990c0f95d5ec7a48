package journal

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/extactor/extactor/events"
)

// row is a row as it was read, checked but not decoded. Where it is damaged only the record's Seq is to be trusted. The
// payload is valid only until it is the next one's turn.
type row struct {
	record  events.Record
	payload []byte
	crc     uint32
	damage  error
}

// decode sets the record's event or command.
func (r *row) decode() error {
	if r.damage != nil {
		return r.damage
	}

	return decode(&r.record, r.payload)
}

// gather hands the rows of a query, of all columns, to a function, in the order of the query, until that fails. The rows do
// not come through database/sql, nor one by one through the driver, which copies each value and locks the connection four
// times for it: the query calls an SQL function of ours with each of them, which costs a third.
func (s *store) gather(ctx context.Context, take func(*row) error, condition string, arguments ...any) error {
	gatherer := &gatherer{take: take, texts: make(map[string]string)}
	id := gatherers.last.Add(1)

	gatherers.byID.Store(id, gatherer)
	defer gatherers.byID.Delete(id)

	// #nosec G202 -- what is put together are constants of this package; values are arguments
	query := "SELECT gather(?, " + columns + ") FROM (SELECT " + columns + " FROM " + s.records() + " " + condition + ")"

	var nothing any

	err := s.readers.QueryRowContext(ctx, query, append([]any{id}, arguments...)...).Scan(&nothing)
	if gatherer.failed != nil {
		return gatherer.failed
	}

	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}

	return nil
}

// gatherers are the queries that run now.
var gatherers struct {
	last atomic.Int64
	byID sync.Map // of *gatherer
}

// registerGather makes SQL's gather(id, columns...) known to connections that are opened from then on.
var registerGather = sync.OnceFunc(func() {
	sqlite.MustRegisterFunction("gather", &sqlite.FunctionImpl{
		NArgs:         int32(strings.Count(columns, ",") + 2),
		VolatileArgs:  true, // what is kept of them is copied
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) { return &gathering{}, nil },
	})
})

// gathering is one evaluation of gather, an aggregate without a value.
type gathering struct{ into *gatherer }

// Step takes the next row.
func (g *gathering) Step(_ *sqlite.FunctionContext, arguments []driver.Value) error {
	if g.into == nil {
		found, _ := gatherers.byID.Load(arguments[0])
		g.into, _ = found.(*gatherer)
	}

	if g.into == nil {
		return fmt.Errorf("nobody gathers %v", arguments[0])
	}

	return g.into.step(arguments[1:])
}

// WindowInverse is for window functions only.
func (*gathering) WindowInverse(*sqlite.FunctionContext, []driver.Value) error {
	return errors.New("gather is no window function")
}

// WindowValue is what the query returns.
func (*gathering) WindowValue(*sqlite.FunctionContext) (driver.Value, error) { return nil, nil }

// Final has nothing to free.
func (*gathering) Final(*sqlite.FunctionContext) {}

// gatherer makes rows of the values of their columns. Its buffers are used again for each of them.
type gatherer struct {
	take    func(*row) error
	row     row
	texts   map[string]string // that repeat, so that each is kept once
	scratch []byte
	failed  error
}

func (g *gatherer) step(values []driver.Value) error {
	g.read(values)
	g.failed = g.take(&g.row)

	return g.failed
}

// read makes a row of the values of its columns and checks it.
func (g *gatherer) read(values []driver.Value) {
	whole := true
	number := func(at int) int64 {
		value, ok := values[at].(int64)
		whole = whole && ok

		return value
	}
	text := func(at int) string {
		value, ok := values[at].(string)
		whole = whole && ok

		return value
	}

	record := &g.row.record
	*record = events.Record{
		Seq: uint64(number(0)), Instance: g.known(text(1), record.Instance), BootID: g.known(text(2), record.BootID),
		RunID: g.known(text(3), record.RunID), Service: g.known(text(4), record.Service), Attempt: uint64(number(5)),
		Kind: g.known(text(6), ""), State: g.known(text(7), record.State), Message: strings.Clone(text(8)),
		WallNS: number(9), BootNS: number(10), Cause: uint64(number(11)), Decision: uint64(number(12)),
	}

	if values[13] != nil || values[14] != nil || values[15] != nil {
		record.Origin = originOf(uint32(number(13)), int32(number(14)), strings.Clone(text(15)))
	}

	payload, ok := values[16].([]byte)
	g.row.payload, g.row.crc, g.row.damage = payload, uint32(number(17)), nil

	if !whole || !ok && values[16] != nil {
		g.row.damage = fmt.Errorf("record %d is damaged: a column is of another type", record.Seq)

		return
	}

	var sum uint32
	if sum, g.scratch = checksum(g.scratch, record, payload); sum != g.row.crc {
		g.row.damage = fmt.Errorf("record %d is damaged: checksum %08x instead of %08x", record.Seq, sum, g.row.crc)
	}
}

// known is the text as it was first seen; most often that of the row before.
func (g *gatherer) known(text, before string) string {
	if text == before {
		return before
	}

	if known, found := g.texts[text]; found {
		return known
	}

	kept := strings.Clone(text)
	g.texts[kept] = kept

	return kept
}
