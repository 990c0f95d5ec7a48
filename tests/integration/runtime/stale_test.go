package runtime_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

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

// Files of an earlier attempt that cannot be removed do not keep the service from starting, and go once they can be.
func TestFilesThatCannotBeRemoved(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("sticky", "exit", "3")

	first, _ := h.start(1, program)
	h.wait(first)

	layer := oci.OverlayDir(h.config.RunDir, first.ID, first.Attempt)
	mounted := filepath.Join(layer, "mounted")
	must(t, os.Mkdir(mounted, 0o700))
	must(t, unix.Mount("tmpfs", mounted, "tmpfs", 0, ""))

	unmount := sync.OnceValue(func() error { return unix.Unmount(mounted, 0) })
	t.Cleanup(func() { must(t, unmount()) })

	if err := h.runtime.Delete(t.Context(), first); err == nil || !strings.Contains(err.Error(), mounted) {
		t.Errorf("the deletion of what cannot be removed: %v", err)
	}

	second, _ := h.start(2, program)

	if exit := h.wait(second); exit.GetCode() != 3 {
		t.Errorf("the second attempt: %v", exit)
	}

	must(t, h.runtime.Delete(t.Context(), second))
	must(t, unmount())

	third, _ := h.start(3, program)
	h.wait(third)
	must(t, h.runtime.Delete(t.Context(), third))

	if left, err := os.ReadDir(filepath.Dir(layer)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
