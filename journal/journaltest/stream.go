package journaltest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/extactor/extactor/events"
)

func subscribe(t *testing.T, store Store, after uint64) Stream {
	t.Helper()

	subscriber, ok := store.(Subscriber)
	if !ok {
		t.Skip("SKIPPED: this journal has no subscriptions")
	}

	stream := subscriber.Subscribe(after)
	t.Cleanup(stream.Close)

	return stream
}

func next(t *testing.T, stream Stream) events.Record {
	t.Helper()

	record, err := stream.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return record
}

func subscriptionSeesAll(t *testing.T, store Store) {
	const history, producers, each = 100, 4, 40 // history is longer than any page

	for number := range history {
		store.Append(Decision("ext-a", number))
	}

	stream, late := subscribe(t, store, 0), subscribe(t, store, 0)

	var group sync.WaitGroup
	for range producers {
		group.Go(func() {
			for number := range each {
				store.Append(Decision("ext-b", number))
			}
		})
	}

	check := func(stream Stream) {
		for seq := range uint64(3 * (history + producers*each)) {
			same(t, "sequence", next(t, stream).Seq, seq+1)
		}
	}

	check(stream) // while they append
	group.Wait()
	check(late) // after
}

func subscriptionFromMiddle(t *testing.T, store Store) {
	receipt := store.Append(Decision("ext-a", 1))
	stream := subscribe(t, store, receipt.Records[0].Seq)

	same(t, "history", next(t, stream), receipt.Records[1])
	same(t, "history", next(t, stream), receipt.Records[2])

	waiting := make(chan events.Record)
	go func() {
		record, _ := stream.Next(t.Context())
		waiting <- record
	}()

	same(t, "live", func() events.Record {
		receipt = store.Append(Decision("ext-b", 2))

		return <-waiting
	}(), receipt.Records[0])
}

func subscriptionEnds(t *testing.T, store Store) {
	stream := subscribe(t, store, 0)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)

	go func() {
		_, err := stream.Next(ctx)
		ended <- err
	}()

	cancel()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Next returned %v after its context ended", err)
	}

	receipt := store.Append(Decision("ext-a", 1))
	same(t, "the record after that", next(t, stream), receipt.Records[0])

	stream.Close()

	if _, err := stream.Next(t.Context()); err == nil {
		t.Fatal("Next returned a record after Close")
	}
}
