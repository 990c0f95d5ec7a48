// Package bare starts containers by a plain containerd client, as a program without supervision would. Benchmarks hold
// extactor's own times against it.
package bare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Options say which containers are started, and where.
type Options struct {
	Address    string // socket of containerd
	Namespace  string // of containerd
	Shim       string // name or absolute path; empty: the server's default
	OCIRuntime string // path or name; empty: the shim's default
	Directory  string // scratch, for the writable layers
	// Container returns what one container is made of: its OCI spec, with the root file system at "rootfs", and the
	// directory below its overlay.
	Container func(index int) (spec *specs.Spec, lower string, err error)
}

// Start starts count containers, 2 x CPUs at a time, and returns how long it took until all of them ran. remove kills
// and deletes them; it must be called also after an error.
func Start(ctx context.Context, o Options, count int) (elapsed time.Duration, remove func() error, err error) {
	connected, err := client.New(o.Address)
	if err != nil {
		return 0, func() error { return nil }, err
	}

	var (
		group    sync.WaitGroup
		problems = make([]error, count)
		started  = make([]client.Task, count)
		slots    = make(chan struct{}, 2*runtime.NumCPU())
		begin    = time.Now()
	)

	ctx = namespaces.WithNamespace(ctx, o.Namespace)

	for index := range count {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()

			started[index], problems[index] = o.start(ctx, connected, index)
		})
	}

	group.Wait()

	elapsed = time.Since(begin)

	return elapsed, func() error {
		ctx := context.WithoutCancel(ctx)

		return errors.Join(removeAll(ctx, connected, started), connected.Close())
	}, errors.Join(problems...)
}

func (o Options) start(ctx context.Context, connected *client.Client, index int) (client.Task, error) {
	id := fmt.Sprintf("bare-%d", index)

	spec, lower, err := o.Container(index)
	if err != nil {
		return nil, err
	}

	upper, work := filepath.Join(o.Directory, id, "upper"), filepath.Join(o.Directory, id, "work")
	if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return nil, err
	}

	settings := []client.NewContainerOpts{client.WithSpec(spec)}
	if o.Shim != "" {
		settings = append(settings, client.WithRuntime(o.Shim, &options.Options{BinaryName: o.OCIRuntime}))
	}

	container, err := connected.NewContainer(ctx, id, settings...)
	if err != nil {
		return nil, err
	}

	task, err := container.NewTask(ctx, cio.NullIO, client.WithRootFS([]mount.Mount{{
		Type: "overlay", Source: "overlay",
		Options: []string{"lowerdir=" + lower, "upperdir=" + upper, "workdir=" + work},
	}}))
	if err != nil {
		return nil, errors.Join(err, container.Delete(ctx))
	}

	return task, task.Start(ctx)
}

func removeAll(ctx context.Context, connected *client.Client, started []client.Task) error {
	var problems []error

	for _, task := range started {
		if task == nil {
			continue
		}

		_, err := task.Delete(ctx, client.WithProcessKill)
		problems = append(problems, err)

		container, err := connected.LoadContainer(ctx, task.ID())
		if err == nil {
			err = container.Delete(ctx)
		}

		problems = append(problems, err)
	}

	return errors.Join(problems...)
}
