package setup

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/extactor/extactor/oci/logs"
)

// Logd runs logd in this process until the test ends.
func Logd(t testing.TB, dir logs.Dir) {
	t.Helper()

	ctx, cancel := context.WithCancel(context.Background())
	reader, ready := io.Pipe()
	done := make(chan error, 1)

	go func() {
		done <- logs.Run(ctx, logs.Options{Dir: dir, Ready: ready})
		ready.Close()
	}()

	if _, err := reader.Read(make([]byte, 16)); err != nil {
		cancel()
		t.Fatalf("logd: %v, %v", err, <-done)
	}

	t.Cleanup(func() {
		cancel()

		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("logd: %v", err)
		}
	})
}
