package oci

import (
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"

	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/service"
)

// bundled is the container of a task of ours as its shim has it on disk, nil where it is not there or of another attempt.
// The embedded containerd is not needed for it: what a task printed last is told also while that is away.
func (r *Runtime) bundled(task service.Task) *containers.Container {
	if r.child == nil {
		return nil // the host's containerd keeps bundles where it likes
	}

	spec, err := server.ReadSpec(r.config.RunDir, r.config.Namespace, task.ID)
	if err != nil {
		return nil
	}

	container := containers.Container{
		ID: task.ID, Labels: spec.Annotations, Runtime: containers.RuntimeInfo{Name: r.config.ShimPath},
	}

	if container.Spec, err = typeurl.MarshalAny(spec); err != nil || number(container, labelAttempt) != task.Attempt {
		return nil
	}

	return &container
}
