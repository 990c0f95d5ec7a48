package oci

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	containerdoci "github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

const (
	// ociVersion is the oldest version that has all we use: crun before 1.9 refuses specs above 1.1.0.
	ociVersion = "1.0.2"
	// oomScoreAdj makes the kernel take an extension service late, but before the daemon.
	oomScoreAdj = -600
)

// notGranted are the capabilities that no service gets: only init reboots the machine or loads kernel modules.
var notGranted = []string{"CAP_SYS_BOOT", "CAP_SYS_MODULE"}

// Generate makes the OCI runtime spec of a service. environmentFile is the content of the service's environment file
// as ReadEnvironmentFile returns it, config the service's configuration document or nil. The root file system is expected
// at "rootfs" beside the spec, see OverlayRootfs.
func Generate(service *spec.Service, host Host, environmentFile []string, config *spec.Config) (*specs.Spec, error) {
	// The defaults want a namespace to make a cgroup path of, which is replaced below.
	ctx := namespaces.WithNamespace(context.Background(), "extactor")
	container := service.Container
	var configured []string
	if config != nil {
		configured = config.Environment
	}
	options := []containerdoci.SpecOpts{
		withVersion(ociVersion),
		containerdoci.WithProcessCwd("/"),
		containerdoci.WithProcessArgs(append([]string{container.Entrypoint}, container.Args...)...),
		withEnvironment(MergeEnvironment(environmentFile, container.Environment, configured)),
		containerdoci.WithNoNewPrivileges,
		containerdoci.WithHostNamespace(specs.NetworkNamespace),
		containerdoci.WithHostNamespace(specs.IPCNamespace),
		withCapabilities(host.Capabilities),
		withoutResourceLimits,
		withOOMScore(host.Capabilities),
		containerdoci.WithAllDevicesAllowed,
		containerdoci.WithCgroup(path.Join(host.CgroupParent, service.ID())),
		containerdoci.WithSelinuxLabel(""),
		containerdoci.WithApparmorProfile(""),
		containerdoci.WithMounts(slices.Concat(
			networkFiles(host), fileMounts(container.Mounts), configMounts(host.ConfigDir, config))),
		withSecurity(container.Security, readonlyKernelFiles(container.Mounts)),
		withLimits(service.Extactor.Resources),
		seccomp.WithDefaultProfile(), // last: it depends on the capabilities
	}
	generated, err := containerdoci.GenerateSpec(ctx, nil, &containers.Container{ID: service.ID()}, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot make the container spec of %q: %w", service.ID(), err)
	}
	return generated, nil
}

func withVersion(version string) containerdoci.SpecOpts {
	return func(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
		s.Version = version
		return nil
	}
}

// withEnvironment sets the environment as it is. containerd's own WithEnv leaves repeated names in the list.
func withEnvironment(environment []string) containerdoci.SpecOpts {
	return func(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
		s.Process.Env = environment
		return nil
	}
}

// withCapabilities grants what may be granted. Inheritable too, which containerd's own WithCapabilities leaves empty;
// ambient stays empty, so that a service which changes its user drops them.
func withCapabilities(grantable []string) containerdoci.SpecOpts {
	return func(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
		granted := func() []string {
			return slices.DeleteFunc(slices.Clone(grantable), func(name string) bool {
				return slices.Contains(notGranted, name)
			})
		}
		s.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding: granted(), Effective: granted(), Permitted: granted(), Inheritable: granted(),
		}
		return nil
	}
}

// withoutResourceLimits removes containerd's limit of 1024 open files: what the host gave us is inherited.
func withoutResourceLimits(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
	s.Process.Rlimits = nil
	return nil
}

// withOOMScore protects the service from the out-of-memory killer. Lowering the score needs CAP_SYS_RESOURCE; without
// it the runtime would fail, so the score is inherited.
func withOOMScore(grantable []string) containerdoci.SpecOpts {
	return func(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
		if slices.Contains(grantable, "CAP_SYS_RESOURCE") {
			score := oomScoreAdj
			s.Process.OOMScoreAdj = &score
		}
		return nil
	}
}

// withSecurity applies the service's own loosening and tightening. A nil list of paths keeps containerd's defaults, an
// empty one means none. The read-only files of the kernel come on top of either.
func withSecurity(security spec.Security, kernelFiles []string) containerdoci.SpecOpts {
	return func(_ context.Context, _ containerdoci.Client, _ *containers.Container, s *specs.Spec) error {
		s.Root = &specs.Root{Path: "rootfs", Readonly: !security.WriteableRootfs}
		if security.WriteableSysfs {
			makeSysfsWriteable(s.Mounts)
		}
		if security.MaskedPaths != nil {
			s.Linux.MaskedPaths = security.MaskedPaths
		}
		if security.ReadonlyPaths != nil {
			s.Linux.ReadonlyPaths = security.ReadonlyPaths
		}
		if len(kernelFiles) > 0 {
			s.Linux.ReadonlyPaths = slices.Concat(s.Linux.ReadonlyPaths, kernelFiles)
		}
		// Empty stays empty, as in Talos: runtimes then keep the container's mounts to itself, yet still see new mounts
		// of the host below a bind mount. An explicit "private" would not be the same: it is not recursive.
		s.Linux.RootfsPropagation = security.RootfsPropagation
		return nil
	}
}
