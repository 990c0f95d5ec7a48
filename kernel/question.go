package kernel

import (
	"context"
	"sync"
)

// questions are put to what may never answer: each goes on in its own goroutine, and is not asked again meanwhile. The zero
// value is ready.
type questions[T any] struct {
	mu   sync.Mutex
	open map[string]*question[T]
}

// question is one that was asked.
type question[T any] struct {
	done  chan struct{}
	found T // once done is closed
}

// ask asks about something, or joins who has asked about it already.
func (q *questions[T]) ask(about string, find func() T) *question[T] {
	q.mu.Lock()
	defer q.mu.Unlock()

	if earlier := q.open[about]; earlier != nil {
		return earlier
	}

	asked := &question[T]{done: make(chan struct{})}

	if q.open == nil {
		q.open = make(map[string]*question[T])
	}

	q.open[about] = asked

	go func() {
		asked.found = find()
		close(asked.done)

		q.mu.Lock()
		delete(q.open, about)
		q.mu.Unlock()
	}()

	return asked
}

// answer waits as long as the context lasts; then there is none. A question that was not asked has none either.
func (q *question[T]) answer(ctx context.Context) (found T) {
	if q == nil {
		return found
	}

	select {
	case <-q.done:
		return q.found
	case <-ctx.Done():
	}

	select {
	case <-q.done: // others took all the time, not this one
		return q.found
	default:
		return found
	}
}
