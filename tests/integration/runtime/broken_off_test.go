package runtime_test

import (
	"testing"
	"time"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/service"
)

// A daemon dies while containerd makes a task, which breaks the call off; containerd cleans up after it while the next daemon
// starts the service anew. Neither gets into the other's way: the next attempt just starts.
func TestStartAfterOneThatWasBrokenOff(t *testing.T) {
	const (
		rounds  = 15
		longest = 75 * time.Millisecond // what a start takes
	)

	h := newHarness(t, oci.Embedded)
	program := h.Service("steady", "serve")
	request := service.StartRequest{ID: program.ID(), BootID: "boot", Hash: "v1:hash", Spec: program}

	for round := range rounds {
		request.Attempt++
		must(t, h.runtime.Prepare(t.Context(), request))

		broken := make(chan error, 1)
		dying, attempt := h.runtime, request

		go func() {
			_, err := dying.Start(t.Context(), attempt)
			broken <- err
		}()

		<-time.After(longest * time.Duration(round) / rounds)
		must(t, dying.Close())
		h.open()

		request.Attempt++
		must(t, h.runtime.Prepare(t.Context(), request))

		if _, err := h.runtime.Start(t.Context(), request); err != nil {
			t.Fatalf("broken off after %s of a start: %v", longest*time.Duration(round)/rounds, err)
		}

		<-broken
	}
}
