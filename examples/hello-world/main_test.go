package main

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/spec"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*interval+time.Second)
		defer cancel()
		var out bytes.Buffer
		if err := run(ctx, []string{"--msg", "Hello from a test"}, &out); err != nil {
			t.Fatal(err)
		}
		const want = "Hello from a test\nstill here after 5s\nstill here after 10s\nasked to stop, goodbye\n"
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

func TestRunRefusesUnknownFlags(t *testing.T) {
	if err := run(t.Context(), []string{"--nonsense"}, io.Discard); err == nil {
		t.Error("an unknown flag is accepted")
	}
}

func TestServiceFile(t *testing.T) {
	service, problems := spec.LoadFile("hello-world.yaml")
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	if service.ID() != "ext-hello-world" || service.Restart != spec.RestartAlways {
		t.Errorf("service is %+v", service)
	}
}
