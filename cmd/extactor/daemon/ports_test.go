package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/oci/logs"
)

func TestLogOfAServiceThatHasNotPrintedYet(t *testing.T) {
	ported := apiLogs{logs.In(t.TempDir())}

	for _, tail := range []int{-1, 0, 10} {
		log, err := ported.Open(t.Context(), []string{"ext-waiting"}, api.LogQuery{Tail: tail})
		if err != nil {
			t.Fatal(err)
		}

		if text, err := io.ReadAll(log); err != nil || len(text) > 0 {
			t.Errorf("tail %d: %q, %v", tail, text, err)
		}

		log.Close()
	}

	ctx, cancel := context.WithCancelCause(t.Context())

	log, err := ported.Open(ctx, []string{"ext-waiting"}, api.LogQuery{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()

	enough := errors.New("enough")
	cancel(enough)

	if _, err := log.Read(make([]byte, 1)); !errors.Is(err, enough) {
		t.Errorf("the end of following: %v", err)
	}

	// Nobody removes the FIFO of a service that never starts.
	if _, err := os.Lstat(ported.dir.FIFO("ext-waiting")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading has made a FIFO: %v", err)
	}
}
