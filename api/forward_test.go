package api

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// Whatever records there are and whichever are wanted, each of those comes once and in order, and the journal is not asked for
// ever.
func TestForward(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 0))
		one := []int{1, 2, 50, 1000}[chance.IntN(4)] // of so many there is, or is wanted, one
		journal := newJournal()

		seq := chance.Uint64N(1 << chance.IntN(40))
		after := seq / 2

		for range chance.IntN(5000) {
			seq += 1 + uint64(chance.IntN(one))
			journal.records = append(journal.records, events.Record{Seq: seq})
		}

		var (
			until    = seq - min(seq, uint64(chance.IntN(300)))
			rare     = 1 + chance.Uint64N(uint64(one))
			wants    = func(record events.Record) bool { return record.Seq%rare == 0 }
			got      []uint64
			readings int
		)

		err := forward(after, until, func(after, until uint64, yield func(events.Record) bool) error {
			readings++

			return journal.Each(t.Context(), after, until, yield)
		}, wants, func(record events.Record) error {
			got = append(got, record.Seq)

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}

		var want []uint64

		for _, record := range journal.records {
			if record.Seq > after && record.Seq <= until && wants(record) {
				want = append(want, record.Seq)
			}
		}

		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d records, want %d", seed, len(got), len(want))
		}

		if most := 80 + len(want)/keptAtMost + int((until-min(until, after))/passedAtMost); readings > most {
			t.Errorf("seed %d: %d readings, more than %d", seed, readings, most)
		}
	}
}

// busyPast is a past that tells how many ask it now, and at most at once, and where it is asked waits for a word.
type busyPast struct {
	*fakeJournal
	now, most atomic.Int32
	proceed   chan struct{} // nil: at once
}

func (b *busyPast) ask(read func() error) error {
	now := b.now.Add(1)
	defer b.now.Add(-1)

	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}

	if b.proceed != nil {
		<-b.proceed
	}

	return read()
}

func (b *busyPast) Each(ctx context.Context, after, until uint64, yield func(events.Record) bool) error {
	return b.ask(func() error { return b.fakeJournal.Each(ctx, after, until, yield) })
}

func (b *busyPast) Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	return b.ask(func() error { return b.fakeJournal.Select(ctx, wanted, yield) })
}

func (b *busyPast) At(ctx context.Context, seq uint64) (fold *events.Fold, err error) {
	fold = &events.Fold{}

	return fold, b.Each(ctx, 0, seq, func(record events.Record) bool {
		fold.Apply(record)

		return true
	})
}

// startBusy serves a long past.
func startBusy(t *testing.T, length uint64, proceed chan struct{}) (*harness, *busyPast) {
	t.Helper()

	journal := newJournal()
	for seq := range length {
		journal.records = append(journal.records, record(seq+1, "ext-a", events.StateRunning, strings.Repeat("x", 1000)))
	}

	h := start(t, newServices(view("ext-a", events.StateRunning, length)), journal)
	busy := &busyPast{fakeJournal: journal, proceed: proceed}
	h.server.options.Past = busy

	return h, busy
}

// A client that does not read keeps nobody else from the past, and no pages of the journal in memory.
func TestPastIsNotHeld(t *testing.T) {
	const length = 3000

	h, busy := startBusy(t, length, nil)
	client := serveRemote(t, h, networkLimits).dial(t, credentials.Reader)

	for name, request := range map[string]*apiv1.EventsRequest{
		"all": {Tail: -1}, "some": {Tail: -1, Grep: "x"}, "of a service": {Tail: -1, Services: []string{"a"}}, "facts": {Facts: true},
	} {
		stream, err := client.Extactor.Events(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}

		if _, err := stream.Recv(); err != nil { // it has begun
			t.Fatalf("%s: %v", name, err)
		}

		late := time.After(patience)

		for look := time.NewTicker(time.Millisecond); busy.now.Load() > 0; {
			select {
			case <-look.C:
			case <-late:
				t.Fatalf("%s: the past is still being read", name)
			}
		}

		for left := length - 1; left > 0; left-- {
			if _, err := stream.Recv(); err != nil {
				t.Fatalf("%s: %d records are missing: %v", name, left, err)
			}
		}
	}
}

// Clients of the network take turns with the past; who is on the host does not wait for them, and who gives up waits no more.
func TestTurnsWithThePast(t *testing.T) {
	proceed := make(chan struct{})
	h, busy := startBusy(t, 3, proceed)
	client := serveRemote(t, h, networkLimits).dial(t, credentials.Reader)
	ended := make(chan error)

	const several = 20

	for i := range several {
		go func() {
			var err error

			switch i % 3 {
			case 0:
				_, err = client.Extactor.StatusAt(t.Context(), &apiv1.StatusAtRequest{})
			case 1:
				_, err = client.Extactor.Why(t.Context(), &apiv1.WhyRequest{Id: "a"})
			default:
				stream, failed := client.Extactor.Events(t.Context(), &apiv1.EventsRequest{Tail: 1, Grep: "x"})
				if err = failed; err == nil {
					_, err = stream.Recv()
				}
			}

			ended <- err
		}()
	}

	proceed <- struct{}{} // one of them is there

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	_, err := client.Extactor.StatusAt(ctx, &apiv1.StatusAtRequest{})
	wantRefusal(t, err, codes.DeadlineExceeded, "")

	local := make(chan error, 1)

	go func() {
		_, err := h.Extactor.StatusAt(t.Context(), &apiv1.StatusAtRequest{})
		local <- err
	}()

	late := time.After(patience)
	for look := time.NewTicker(time.Millisecond); busy.now.Load() < 2; { // one of the network, one of the host
		select {
		case <-look.C:
		case <-late:
			t.Fatal("who is on the host waits for clients of the network")
		}
	}

	close(proceed)

	for range several {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}

	if err := <-local; err != nil {
		t.Error(err)
	}

	if most := busy.most.Load(); most != 2 {
		t.Errorf("%d ask at once", most)
	}
}
