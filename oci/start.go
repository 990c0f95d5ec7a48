package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

const (
	foreignShim    = "io.containerd.runc.v2"
	cleanupTimeout = 10 * time.Second
)

// explain puts what kept a service from starting in plain words.
func (r *Runtime) explain(err error, service *spec.Service) error {
	return ExplainStartError(err, service, Host{RootfsDir: r.config.RootfsDir}.Rootfs(service.Name))
}

// Start makes and starts the container. After an error nothing of it is left in containerd, unless the connection was
// lost.
func (r *Runtime) Start(ctx context.Context, request service.StartRequest) (service.Started, error) {
	ctx, leave, err := r.calls.enter(r.namespaced(ctx), service.Task{ID: request.ID, Attempt: request.Attempt}, interruptible)
	if err != nil {
		return service.Started{}, r.explain(err, request.Spec)
	}
	defer leave()

	end, err := r.starts.begin(ctx)
	if err != nil {
		return service.Started{}, r.explain(err, request.Spec)
	}
	defer end()

	started, err := r.start(ctx, request)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // why the call was interrupted, rather than that it was
	}

	if err != nil {
		return service.Started{}, r.explain(err, request.Spec)
	}

	return started, nil
}

func (r *Runtime) start(ctx context.Context, request service.StartRequest) (service.Started, error) {
	if hierarchies, err := cgroup.Directories("/"); err == nil && len(hierarchies) == 0 {
		return service.Started{}, errors.New("no cgroup file system is mounted (usually on /sys/fs/cgroup)")
	}

	for repeats := 0; ; repeats++ {
		started, err := r.startOnce(ctx, request)
		if !errdefs.IsUnavailable(err) || repeats == mostRepeats {
			return started, err
		}

		resumed, problem := r.resume(ctx, request)
		if problem != nil {
			return service.Started{}, err
		}

		if resumed != nil {
			return *resumed, nil
		}
	}
}

// startOnce makes and starts the container. After the connection was lost, what was made of it is left.
func (r *Runtime) startOnce(ctx context.Context, request service.StartRequest) (service.Started, error) {
	container, rootfs, err := r.compose(ctx, request)
	if err != nil {
		return service.Started{}, err
	}

	container, err = r.client.ContainerService().Create(ctx, container)
	if err != nil {
		return service.Started{}, fmt.Errorf("cannot make the container: %w", err)
	}

	r.known.add(&container)

	pid, err := r.run(ctx, service.Task{ID: request.ID, Attempt: request.Attempt}, rootfs)
	if err == nil {
		return service.Started{PID: pid, Container: request.ID, Rootfs: container.Labels[labelRootfs]}, nil
	}

	if errdefs.IsUnavailable(err) {
		return service.Started{}, err
	}

	// The caller's context may have ended, which is no reason to leave half a container behind.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()

	if problem := r.clean(cleanup, container); problem != nil {
		err = errors.Join(err, fmt.Errorf("what was made of it cannot be deleted: %w", problem))
	} else {
		_ = r.unclaim(request.ID, func(attempt uint64) bool { return attempt == request.Attempt })
	}

	return service.Started{}, err
}

// run creates and starts the task. Nobody needs to wait for it beforehand: containerd and the exit record keep the exit
// until we delete the task.
func (r *Runtime) run(ctx context.Context, task service.Task, rootfs mount.Mount) (uint32, error) {
	// Before anything is in the cgroup: what an earlier attempt's record allows ends here.
	if err := r.claim(task, 0); err != nil {
		return 0, err
	}

	fifo := r.logs.FIFO(task.ID)

	created, err := r.client.TaskService().Create(ctx, &tasks.CreateTaskRequest{
		ContainerID: task.ID,
		Rootfs:      []*types.Mount{{Type: rootfs.Type, Source: rootfs.Source, Options: rootfs.Options}},
		Stdout:      fifo,
		Stderr:      fifo,
	})
	if err != nil {
		return 0, errgrpc.ToNative(err)
	}

	if err := r.claim(task, created.Pid); err != nil {
		return 0, err
	}

	if _, err := r.client.TaskService().Start(ctx, &tasks.StartRequest{ContainerID: task.ID}); err != nil {
		return 0, errgrpc.ToNative(err)
	}

	return created.Pid, nil
}

// compose makes the container's record and its root file system.
func (r *Runtime) compose(ctx context.Context, request service.StartRequest) (containers.Container, mount.Mount, error) {
	fail := func(err error) (containers.Container, mount.Mount, error) {
		return containers.Container{}, mount.Mount{}, err
	}

	host, err := ThisHost(r.config.RootfsDir, r.config.CgroupParent)
	if err != nil {
		return fail(err)
	}

	host.ConfigDir = ConfigDir(r.config.RunDir, request.ID, request.Attempt)

	generated, err := generate(request, host)
	if err != nil {
		return fail(err)
	}

	cursor, err := logs.Cursor(r.logs, request.ID)
	if err != nil {
		return fail(err)
	}

	identity, err := RootfsIdentity(r.config.RootfsDir, request.Spec.Name, request.Spec.Container.Entrypoint)
	if err != nil {
		return fail(err)
	}

	labels := r.labels(request, cursor, identity)
	generated.Annotations = maps.Clone(labels)
	generated.Annotations[exits.Annotation] = exits.Path(r.config.RunDir, request.ID, request.Attempt)

	encoded, err := typeurl.MarshalAny(generated)
	if err != nil {
		return fail(err)
	}

	runtime, err := r.runtimeInfo(ctx)
	if err != nil {
		return fail(err)
	}

	rootfs, err := OverlayRootfs(request.Spec, host, r.config.RunDir, request.Attempt)
	if err != nil {
		return fail(err)
	}

	return containers.Container{ID: request.ID, Labels: labels, Runtime: runtime, Spec: encoded}, rootfs, nil
}

func generate(request service.StartRequest, host Host) (*specs.Spec, error) {
	var environment []string

	if file := request.Spec.Container.EnvironmentFile; file != "" {
		var err error

		if environment, err = ReadEnvironmentFile(file); err != nil {
			return nil, err
		}
	}

	return Generate(request.Spec, host, environment, request.Config)
}

// ociRuntimeRoot is where the OCI runtime remembers its containers.
func (r *Runtime) ociRuntimeRoot() string { return filepath.Join(r.config.RunDir, "runc") }

// runtimeInfo says which shim and which OCI runtime run the container.
func (r *Runtime) runtimeInfo(ctx context.Context) (containers.RuntimeInfo, error) {
	binary, err := r.selectOCIRuntime(ctx)
	if err != nil {
		return containers.RuntimeInfo{}, err
	}

	// What the OCI runtime remembers lies in the run directory too, so that instances do not meet in it.
	chosen := &options.Options{BinaryName: binary, Root: r.ociRuntimeRoot()}
	shim := foreignShim

	if r.child != nil {
		shim = r.config.ShimPath
	} else if r.config.ShimPath != "" {
		version, err := r.version(ctx)
		if err != nil {
			return containers.RuntimeInfo{}, err
		}

		if takesOurShim(version) {
			shim = r.config.ShimPath
		}
	}

	encoded, err := typeurl.MarshalAny(chosen)

	return containers.RuntimeInfo{Name: shim, Options: encoded}, err
}

// takesOurShim tells whether a containerd of this version can talk to our shim: the way in which a shim is started
// changed with 2.4, and a shim of today does not speak the older one.
func takesOurShim(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}

	major, problem := strconv.Atoi(parts[0])
	minor, problem2 := strconv.Atoi(parts[1])

	return problem == nil && problem2 == nil && (major > 2 || major == 2 && minor >= 4)
}

func (r *Runtime) selectOCIRuntime(ctx context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.ociRuntime == "" {
		binary, err := SelectOCIRuntime(ctx, r.config.OCIRuntime, TrialIn(r.config.RunDir, r.config.CgroupParent))
		if err != nil {
			return "", err
		}

		r.ociRuntime = binary
	}

	return r.ociRuntime, nil
}

// clean removes a container and what is left beside it. Where containerd cannot be asked, nothing is touched: what was made
// may run, and is for the next daemon to adopt.
func (r *Runtime) clean(ctx context.Context, container containers.Container) error {
	if err := r.remove(ctx, container); err != nil {
		return err
	}

	return r.removeStrays(ctx, container.ID)
}
