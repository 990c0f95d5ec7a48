package runtime_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/extactor/extactor/oci"
)

// What is listed may be deleted before the listing is read. Nothing of it comes back: neither its log nor the record of
// its process.
func TestListingWhileTasksAreDeleted(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	ctx, cancel := context.WithCancel(t.Context())

	var group sync.WaitGroup

	for range 2 {
		group.Go(func() {
			for ctx.Err() == nil {
				_, _ = h.runtime.Observe(ctx)
			}
		})
	}

	var services sync.WaitGroup

	for number := range 3 {
		services.Go(func() {
			program := h.Service(fmt.Sprintf("brief-%d", number), "serve")

			for attempt := range uint64(8) {
				running, _ := h.start(attempt+1, program)
				if err := h.runtime.Delete(t.Context(), running); err != nil {
					t.Error(err)
				}
			}
		})
	}

	services.Wait()
	cancel()
	group.Wait()

	for _, directory := range []string{"logs/fifo", "tasks"} {
		entries, err := os.ReadDir(filepath.Join(h.config.RunDir, directory))
		if err != nil {
			t.Error(err)
		}

		for _, entry := range entries {
			t.Errorf("left in %s: %s", directory, entry.Name())
		}
	}
}
