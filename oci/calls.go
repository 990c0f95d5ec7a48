package oci

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/extactor/extactor/service"
)

// calls lets the calls for one id run one at a time, in the order in which they began. The zero value is ready.
type calls struct {
	mu     sync.Mutex
	queues map[string][]*call // the first one runs
}

type call struct {
	attempt uint64
	turn    chan struct{}
	cancel  context.CancelCauseFunc // nil where it may not be interrupted
}

// manner says how a call goes with the others of its task.
type manner int

const (
	patient       manner = iota // waits for its turn
	interruptible               // waits for its turn; its context ends when an interrupting call enters
	interrupting                // ends the interruptible calls that entered before it, then waits for its turn
)

// enter waits for the call's turn. leave must be called.
func (c *calls) enter(ctx context.Context, task service.Task, how manner) (_ context.Context, leave func(), err error) {
	mine := &call{attempt: task.Attempt, turn: make(chan struct{})}

	if how == interruptible {
		ctx, mine.cancel = context.WithCancelCause(ctx)
	}

	c.mu.Lock()

	// In one step with taking its place: an interruptible call is either before it, and ends, or behind it, and does not
	// hold it up.
	if how == interrupting {
		c.interrupt(task)
	}

	if c.queues == nil {
		c.queues = make(map[string][]*call)
	}

	c.queues[task.ID] = append(c.queues[task.ID], mine)
	if c.queues[task.ID][0] == mine {
		close(mine.turn)
	}

	c.mu.Unlock()

	select {
	case <-mine.turn:
		return ctx, func() { c.leave(task.ID, mine) }, nil
	case <-ctx.Done():
		err := context.Cause(ctx)
		c.leave(task.ID, mine)

		return ctx, nil, err
	}
}

func (c *calls) leave(id string, mine *call) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if mine.cancel != nil {
		mine.cancel(nil)
	}

	queue := c.queues[id]
	first := queue[0] == mine
	queue = slices.DeleteFunc(queue, func(other *call) bool { return other == mine })

	if len(queue) == 0 {
		delete(c.queues, id)

		return
	}

	c.queues[id] = queue
	if first {
		close(queue[0].turn)
	}
}

// interrupt ends the calls of a task that allow it, running or waiting. The lock is held.
func (c *calls) interrupt(task service.Task) {
	for _, other := range c.queues[task.ID] {
		if other.attempt == task.Attempt && other.cancel != nil {
			other.cancel(fmt.Errorf("%q was killed while it was being started", task.ID))
		}
	}
}

// startSlotTime is how long a start may keep others waiting. One that hangs must not stop them all.
const startSlotTime = 10 * time.Second

// starts limits how many containers are being started at a time: more would only slow down each of them.
type starts struct{ slots chan struct{} }

func newStarts() starts { return starts{slots: make(chan struct{}, 2*runtime.NumCPU())} }

// begin waits for a slot. The slot is free again when end is called, or after startSlotTime.
func (s starts) begin(ctx context.Context) (end func(), err error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}

	release := sync.OnceFunc(func() { <-s.slots })
	timer := time.AfterFunc(startSlotTime, release)

	return func() {
		timer.Stop()
		release()
	}, nil
}
