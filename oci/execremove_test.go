package oci

import (
	"errors"
	"fmt"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/ttrpc"
)

// What is gone with its shim is gone: the error comes by way of containerd, as text.
func TestCommandIsGone(t *testing.T) {
	for _, row := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errdefs.ErrNotFound, true},
		{errors.New("connection refused"), false},
		{errgrpc.ToNative(errgrpc.ToGRPC(fmt.Errorf("cannot delete: %w", ttrpc.ErrClosed))), true},
	} {
		if got := isGone(row.err); got != row.want {
			t.Errorf("%v: %v", row.err, got)
		}
	}
}
