package oci

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/service"
)

func TestCallsForOneIDRunInTheOrderTheyBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			queue calls
			order []int
		)

		_, leave, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, patient)
		if err != nil {
			t.Fatal(err)
		}

		for index := range 5 {
			go func() {
				_, leave, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, patient)
				if err != nil {
					t.Error(err)

					return
				}
				defer leave()

				order = append(order, index) // the race detector would see two at a time
			}()

			synctest.Wait()
		}

		if len(order) != 0 {
			t.Errorf("calls %v did not wait", order)
		}

		_, other, err := queue.enter(t.Context(), service.Task{ID: "ext-b"}, patient)
		if err != nil {
			t.Fatal(err)
		}

		other()
		leave()
		synctest.Wait()

		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("order %v", order)
		}

		if len(queue.queues) != 0 {
			t.Errorf("left: %v", queue.queues)
		}
	})
}

func TestCallThatIsCancelledLetsTheNextOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queue calls

		_, first, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, patient)
		if err != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancelled, entered := make(chan error, 1), make(chan error, 1)

		go func() {
			_, _, err := queue.enter(ctx, service.Task{ID: "ext-a"}, patient)
			cancelled <- err
		}()

		synctest.Wait()

		go func() {
			_, _, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, patient)
			entered <- err
		}()

		synctest.Wait()
		cancel()

		if <-cancelled == nil {
			t.Error("a cancelled call got its turn")
		}

		first()

		if err := <-entered; err != nil {
			t.Error(err)
		}
	})
}

func TestInterruptEndsOnlyTheSameAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queue calls

		task := service.Task{ID: "ext-a", Attempt: 2}

		start, leave, err := queue.enter(t.Context(), task, interruptible)
		if err != nil {
			t.Fatal(err)
		}

		kill := func(killed service.Task) {
			go func() {
				if _, leave, err := queue.enter(t.Context(), killed, interrupting); err == nil {
					leave()
				}
			}()

			synctest.Wait()
		}

		for _, other := range []service.Task{{ID: "ext-a", Attempt: 1}, {ID: "ext-b", Attempt: 2}} {
			if kill(other); start.Err() != nil {
				t.Fatalf("interrupted by %v", other)
			}
		}

		kill(task)

		if cause := context.Cause(start); cause == nil || !strings.Contains(cause.Error(), "killed") {
			t.Errorf("cause: %v", cause)
		}

		// One that enters after the kill is none of its business, and does not hold it up.
		later := make(chan error, 1)

		go func() {
			next, leave, err := queue.enter(t.Context(), task, interruptible)
			later <- errors.Join(err, next.Err())

			leave()
		}()

		synctest.Wait()
		leave()

		if err := <-later; err != nil {
			t.Error(err)
		}
	})
}

func TestHangingStartsGiveTheirSlotsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots, begin := newStarts(), time.Now()

		for range 2 * runtime.NumCPU() {
			if _, err := slots.begin(t.Context()); err != nil { // and never ends
				t.Fatal(err)
			}
		}

		end, err := slots.begin(t.Context())
		if err != nil || time.Since(begin) != startSlotTime {
			t.Errorf("got a slot after %v: %v", time.Since(begin), err)
		}

		end()
		synctest.Wait()

		if len(slots.slots) != 0 {
			t.Errorf("%d slots are still taken", len(slots.slots))
		}
	})
}
