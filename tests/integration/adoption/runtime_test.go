package adoption_test

import (
	"context"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// mortalRuntime is the real container runtime until the daemon dies.
type mortalRuntime struct {
	*oci.Runtime
	daemon *daemon
}

// Observe implements actors.Runtime.
func (r mortalRuntime) Observe(ctx context.Context) (seen map[string]*service.Observed, err error) {
	err = r.daemon.call("runtime.Observe", func() error {
		seen, err = r.Runtime.Observe(ctx)

		return err
	})

	return seen, err
}

// Prepare implements actors.Runtime.
func (r mortalRuntime) Prepare(ctx context.Context, request service.StartRequest) error {
	return r.daemon.call("runtime.Prepare", func() error { return r.Runtime.Prepare(ctx, request) })
}

// Start implements actors.Runtime.
func (r mortalRuntime) Start(ctx context.Context, request service.StartRequest) (started service.Started, err error) {
	err = r.daemon.call("runtime.Start", func() error {
		started, err = r.Runtime.Start(ctx, request)

		return err
	})

	return started, err
}

// Wait implements actors.Runtime.
func (r mortalRuntime) Wait(ctx context.Context, task service.Task) (exit *events.Exit, err error) {
	err = r.daemon.call("runtime.Wait", func() error {
		exit, err = r.Runtime.Wait(ctx, task)

		return err
	})

	return exit, err
}

// UpdateConfig implements actors.Runtime.
func (r mortalRuntime) UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error {
	return r.daemon.call("runtime.UpdateConfig", func() error { return r.Runtime.UpdateConfig(ctx, task, config) })
}

// Signal implements actors.Runtime.
func (r mortalRuntime) Signal(ctx context.Context, task service.Task, signal string) error {
	return r.daemon.call("runtime.Signal", func() error { return r.Runtime.Signal(ctx, task, signal) })
}

// Kill implements actors.Runtime.
func (r mortalRuntime) Kill(ctx context.Context, task service.Task) error {
	return r.daemon.call("runtime.Kill", func() error { return r.Runtime.Kill(ctx, task) })
}

// Delete implements actors.Runtime.
func (r mortalRuntime) Delete(ctx context.Context, task service.Task) error {
	return r.daemon.call("runtime.Delete", func() error { return r.Runtime.Delete(ctx, task) })
}
