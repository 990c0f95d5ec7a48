package oci

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/extactor/extactor/service"
)

// Prepare makes sure that everything exists which the container needs outside of containerd, and deletes what an
// earlier attempt of the same id left behind.
func (r *Runtime) Prepare(ctx context.Context, request service.StartRequest) error {
	ctx, leave, err := r.calls.enter(r.namespaced(ctx), service.Task{ID: request.ID, Attempt: request.Attempt}, interruptible)
	if err != nil {
		return fmt.Errorf("cannot prepare %q: %w", request.ID, err)
	}
	defer leave()

	// A containerd that dies meanwhile is no failure of the service.
	for repeats := 0; ; repeats++ {
		err = r.prepare(ctx, request)
		if !errdefs.IsUnavailable(err) || repeats == mostRepeats || !r.awaitBack(ctx) {
			break
		}
	}

	if cause := context.Cause(ctx); err != nil && cause != nil {
		return fmt.Errorf("cannot prepare %q: %w", request.ID, cause) // why it was interrupted, rather than that it was
	}

	return err
}

func (r *Runtime) prepare(ctx context.Context, request service.StartRequest) error {
	if err := r.removeEarlier(ctx, request); err != nil {
		return fmt.Errorf("cannot prepare %q: %w", request.ID, err)
	}

	host, err := ThisHost(r.config.RootfsDir, r.config.CgroupParent)
	if err != nil {
		return fmt.Errorf("cannot prepare %q: %w", request.ID, err)
	}

	if err := r.looks.preflight(ctx, request.Spec, host); err != nil {
		return err
	}

	host.ConfigDir = ConfigDir(r.config.RunDir, request.ID, request.Attempt)

	err = writeConfig(host.ConfigDir, request.Config)
	if err == nil {
		err = checkConfigMounts(request.Spec, host, request.Config)
	}

	if err != nil {
		return fmt.Errorf("cannot prepare %q: %w", request.ID, err)
	}

	return r.holdAgain(service.Task{ID: request.ID, Attempt: request.Attempt})
}

// removeEarlier deletes what earlier attempts left.
func (r *Runtime) removeEarlier(ctx context.Context, request service.StartRequest) error {
	left, err := r.find(ctx, request.ID)
	if err != nil {
		return err
	}

	if left != nil {
		if attempt := number(*left, labelAttempt); attempt > request.Attempt {
			return fmt.Errorf("a container of the later attempt %d exists", attempt)
		}

		if err := r.remove(ctx, *left); err != nil {
			return fmt.Errorf("what an earlier attempt left cannot be deleted: %w", err)
		}
	}

	if err := r.removeStrays(ctx, request.ID); err != nil {
		return err
	}

	earlier := func(attempt uint64) bool { return attempt <= request.Attempt }

	// Each attempt has files of its own. Those that cannot be removed are no reason not to start.
	if err := r.sweepFiles(request.ID, earlier); err != nil {
		r.config.Logger.Warn().Err(err).Msg("files of an earlier attempt are left behind")
	}

	return r.sweepRecords(request.ID, earlier)
}
