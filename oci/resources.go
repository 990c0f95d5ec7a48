package oci

import (
	"context"
	"math"

	"github.com/containerd/containerd/v2/core/containers"
	containerdoci "github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

const (
	cpuPeriod   = 100_000 // microseconds; the kernel's own default
	smallestCPU = 1_000   // microseconds in each period: the kernel refuses less
)

// withLimits limits the service's cgroup. The OCI runtime turns the values into what the host's cgroups understand,
// whether they are of version 1 or 2. Memory does not include swap: a service that swaps is slow, not killed.
func withLimits(limits spec.Resources) containerdoci.SpecOpts {
	return func(ctx context.Context, client containerdoci.Client, c *containers.Container, s *specs.Spec) error {
		var options []containerdoci.SpecOpts

		if limits.Memory > 0 {
			options = append(options, containerdoci.WithMemoryLimit(uint64(limits.Memory)))
		}

		if limits.CPU > 0 {
			quota := max(smallestCPU, int64(math.Round(limits.CPU*cpuPeriod)))
			options = append(options, containerdoci.WithCPUCFS(quota, cpuPeriod))
		}

		if limits.PIDs > 0 {
			options = append(options, containerdoci.WithPidsLimit(limits.PIDs))
		}

		return containerdoci.Compose(options...)(ctx, client, c, s)
	}
}
