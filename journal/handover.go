package journal

import (
	"context"
	"database/sql"
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

// gather hands the rows that a condition names to a function, in order, until that fails.
func (s *store) gather(ctx context.Context, take func(*row) error, condition string, arguments ...any) error {
	scan := scanner{texts: make(map[string]string)}
	step := func(values []driver.Value) error {
		scan.read(values)

		return take(&scan.row)
	}

	// #nosec G202 -- what is put together are constants of this package; values are arguments
	return handOver(ctx, s.readers, step,
		"SELECT hand_over(?, "+columns+") FROM (SELECT "+columns+" FROM "+s.records()+" "+condition+")", arguments...)
}

// querier is a pool of connections, or one transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

// handOver runs a query that calls hand_over(?, values...) for each row, and hands the values to a function, until that
// fails. They are valid only until it returns. Rows that come one by one through the driver cost more than SQLite takes to
// find them: each value is copied, and the connection is locked for it.
func handOver(ctx context.Context, from querier, step func(values []driver.Value) error, query string, arguments ...any) error {
	taker := &taker{step: step}
	id := takers.last.Add(1)

	takers.byID.Store(id, taker)
	defer takers.byID.Delete(id)

	var nothing any

	err := from.QueryRowContext(ctx, query, append([]any{id}, arguments...)...).Scan(&nothing)
	if taker.failed != nil {
		return taker.failed
	}

	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}

	return nil
}

// taker takes the rows of one query.
type taker struct {
	step   func(values []driver.Value) error
	failed error
}

// takers are those of the queries that run now.
var takers struct {
	last atomic.Int64
	byID sync.Map // of *taker
}

// registerHandOver makes the SQL function known to connections that are opened from then on.
var registerHandOver = sync.OnceFunc(func() {
	sqlite.MustRegisterFunction("hand_over", &sqlite.FunctionImpl{
		NArgs:         -1,
		VolatileArgs:  true, // who keeps one copies it
		MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) { return &handing{}, nil },
	})
})

// handing is one evaluation of hand_over, an aggregate without a value.
type handing struct{ to *taker }

// Step takes the next row.
func (h *handing) Step(_ *sqlite.FunctionContext, arguments []driver.Value) error {
	if h.to == nil {
		found, _ := takers.byID.Load(arguments[0])

		var known bool
		if h.to, known = found.(*taker); !known {
			return fmt.Errorf("nobody takes the rows of query %v", arguments[0])
		}
	}

	h.to.failed = h.to.step(arguments[1:])

	return h.to.failed
}

// WindowInverse is for window functions only.
func (*handing) WindowInverse(*sqlite.FunctionContext, []driver.Value) error {
	return errors.New("hand_over is no window function")
}

// WindowValue is what the query returns.
func (*handing) WindowValue(*sqlite.FunctionContext) (driver.Value, error) { return nil, nil }

// Final has nothing to free.
func (*handing) Final(*sqlite.FunctionContext) {}

// scanner makes rows of the values of their columns. Its buffers are used again for each of them.
type scanner struct {
	row     row
	texts   map[string]string // that repeat, so that each is kept once
	scratch []byte
}

// read makes a row of the values of its columns and checks it.
func (s *scanner) read(values []driver.Value) {
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

	record := &s.row.record
	*record = events.Record{
		Seq: uint64(number(0)), Instance: s.known(text(1), record.Instance), BootID: s.known(text(2), record.BootID),
		RunID: s.known(text(3), record.RunID), Service: s.known(text(4), record.Service), Attempt: uint64(number(5)),
		Kind: s.known(text(6), ""), State: s.known(text(7), record.State), Message: strings.Clone(text(8)),
		WallNS: number(9), BootNS: number(10), Cause: uint64(number(11)), Decision: uint64(number(12)),
	}

	if values[13] != nil || values[14] != nil || values[15] != nil {
		record.Origin = originOf(uint32(number(13)), int32(number(14)), strings.Clone(text(15)))
	}

	payload, ok := values[16].([]byte)
	s.row.payload, s.row.crc, s.row.damage = payload, uint32(number(17)), nil

	if !whole || !ok && values[16] != nil {
		s.row.damage = fmt.Errorf("record %d is damaged: a column is of another type", record.Seq)

		return
	}

	var sum uint32
	if sum, s.scratch = checksum(s.scratch, record, payload); sum != s.row.crc {
		s.row.damage = fmt.Errorf("record %d is damaged: checksum %08x instead of %08x", record.Seq, sum, s.row.crc)
	}
}

// known is the text as it was first seen; most often that of the row before.
func (s *scanner) known(text, before string) string {
	if text == before {
		return before
	}

	if known, found := s.texts[text]; found {
		return known
	}

	kept := strings.Clone(text)
	s.texts[kept] = kept

	return kept
}
