package oci

import (
	"context"
	"fmt"
	"strconv"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs"

	"github.com/extactor/extactor/service"
)

// Labels of a container, which are also annotations of its OCI spec.
const (
	labelInstance = "io.extactor.instance"
	labelBoot     = "io.extactor.boot"
	labelAttempt  = "io.extactor.attempt"
	labelHash     = "io.extactor.hash"
	labelVersion  = "io.extactor.version"
	labelCursor   = "io.extactor.log-cursor" // where the attempt's lines begin
	labelRootfs   = "io.extactor.rootfs"     // see RootfsIdentity
)

func (r *Runtime) labels(request service.StartRequest, cursor uint64, rootfs string) map[string]string {
	return map[string]string{
		labelInstance: r.config.Instance,
		labelBoot:     request.BootID,
		labelAttempt:  strconv.FormatUint(request.Attempt, 10),
		labelHash:     request.Hash,
		labelVersion:  r.config.Version,
		labelCursor:   strconv.FormatUint(cursor, 10),
		labelRootfs:   rootfs,
	}
}

func number(container containers.Container, label string) uint64 {
	value, _ := strconv.ParseUint(container.Labels[label], 10, 64)

	return value
}

// find returns the container of an id where it is ours; nil where there is none. A container of another instance is an
// error.
func (r *Runtime) find(ctx context.Context, id string) (*containers.Container, error) {
	container, err := r.client.ContainerService().Get(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil, nil //nolint:nilnil // no container is an answer
	} else if err != nil {
		return nil, err
	}

	if container.Labels[labelInstance] != r.config.Instance {
		return nil, fmt.Errorf("container %q belongs to another instance of extactor, or to another program", id)
	}

	return &container, nil
}

// findTask returns the container of exactly this attempt, nil where it is gone or another attempt has taken its place.
func (r *Runtime) findTask(ctx context.Context, task service.Task) (*containers.Container, error) {
	container, err := r.find(ctx, task.ID)
	if container == nil || number(*container, labelAttempt) != task.Attempt {
		return nil, err
	}

	return container, nil
}
