package journal_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

func TestPanicOfTheWriterIsFatal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), []byte("this is no database, and must be set aside"), 0o600); err != nil {
		t.Fatal(err)
	}

	reasons := make(chan any, 1)

	var broken sync.Once

	// The call never returns in a process that ends; here it gives up some time later.
	go journal.Open(journal.Options{
		Dir: dir,
		Now: func() *events.Instant {
			broken.Do(func() { panic("the clock is broken") })

			return &events.Instant{}
		},
		Fatal: func(reason any) { reasons <- reason },
	})

	if reason := <-reasons; reason != "the clock is broken" {
		t.Errorf("reason: %v", reason)
	}
}
