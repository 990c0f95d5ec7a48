package oci

import (
	"context"
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

		_, leave, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, false)
		if err != nil {
			t.Fatal(err)
		}

		for index := range 5 {
			go func() {
				_, leave, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, false)
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

		_, other, err := queue.enter(t.Context(), service.Task{ID: "ext-b"}, false)
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

		_, first, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, false)
		if err != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancelled, entered := make(chan error, 1), make(chan error, 1)

		go func() {
			_, _, err := queue.enter(ctx, service.Task{ID: "ext-a"}, false)
			cancelled <- err
		}()

		synctest.Wait()

		go func() {
			_, _, err := queue.enter(t.Context(), service.Task{ID: "ext-a"}, false)
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
	var queue calls

	ctx, leave, err := queue.enter(t.Context(), service.Task{ID: "ext-a", Attempt: 2}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()

	for _, other := range []service.Task{{ID: "ext-a", Attempt: 1}, {ID: "ext-b", Attempt: 2}} {
		if queue.interrupt(other); ctx.Err() != nil {
			t.Fatalf("interrupted by %v", other)
		}
	}

	queue.interrupt(service.Task{ID: "ext-a", Attempt: 2})

	if cause := context.Cause(ctx); cause == nil || !strings.Contains(cause.Error(), "killed") {
		t.Errorf("cause: %v", cause)
	}
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
