package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/logs"
)

// LockName is the file in a run directory that a living daemon holds a lock on (flock).
const LockName = "daemon.lock"

const (
	earlierTimeout = 30 * time.Second // for all that is left in other namespaces
	earlierGrace   = 10 * time.Second // from SIGTERM to SIGKILL: the service's own time is not known any more
)

// ourNamespace is how namespaces of extactor are called; each run directory has one of its own.
var ourNamespace = regexp.MustCompile(`^extactor(-[0-9a-f]{8})?$`)

// endEarlier ends and removes what this instance left in the namespaces of other run directories, on a containerd that it
// has used before. Its services would run twice. What has the label of another instance, or of none, is left alone, and
// so is what belongs to a daemon that lives.
func (r *Runtime) endEarlier(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()

	all, err := r.client.NamespaceService().List(ctx)
	if err != nil {
		return fmt.Errorf("cannot look for containers of other run directories: %w", err)
	}

	var problems []error

	for _, namespace := range all {
		if namespace != r.config.Namespace && ourNamespace.MatchString(namespace) {
			problems = append(problems, r.endNamespace(namespaces.WithNamespace(ctx, namespace), namespace))
		}
	}

	if err := few(problems); err != nil {
		return fmt.Errorf("cannot remove the containers of another run directory: %w", err)
	}

	return nil
}

// endNamespace ends what is ours in one namespace, all at once, and removes the namespace where nothing else is in it.
func (r *Runtime) endNamespace(ctx context.Context, namespace string) error {
	ours, err := r.client.ContainerService().List(ctx, r.ourLabel())
	if err != nil || len(ours) == 0 {
		return err
	}

	var (
		group    sync.WaitGroup
		problems = make([]error, len(ours))
	)

	for index, container := range ours {
		group.Go(func() { problems[index] = r.endContainer(ctx, namespace, container) })
	}

	group.Wait()

	if left, err := r.client.ContainerService().List(ctx); err == nil && len(left) == 0 {
		// Either of them stays where somebody else has something in it.
		_ = r.client.NamespaceService().Delete(ctx, namespace)
		_ = cgroup.Remove("/" + namespace)
	}

	return few(problems)
}

// endContainer ends one container of ours, and removes it with what it has in the run directory that it was made in.
func (r *Runtime) endContainer(ctx context.Context, namespace string, container containers.Container) error {
	earlier, err := r.earlier(namespace, container)
	if err != nil {
		return fmt.Errorf("container %q in %q is left alone: %w", container.ID, namespace, err)
	}

	r.config.Logger.Warn().Str("service", container.ID).Str("namespace", namespace).Str("run", earlier.config.RunDir).
		Msg("removing a container of ours that was started with another run directory")

	if err := earlier.stop(ctx, container.ID); err != nil {
		return err
	}

	if err := earlier.removeTask(ctx, container.ID); err != nil {
		return err
	}

	if err := r.client.ContainerService().Delete(ctx, container.ID); err != nil && !errdefs.IsNotFound(err) {
		return err
	}

	_ = cgroup.Remove(earlier.cgroupPath(container.ID))

	// The same directory under another name: what lies there may be of the container that is in our own namespace now.
	if sameDirectory(earlier.config.RunDir, r.config.RunDir) {
		if mine, err := r.find(r.namespaced(ctx), container.ID); err != nil || mine != nil {
			return err
		}
	}

	if !earlier.letGo(ctx, container.ID) {
		_ = logs.Remove(earlier.logs, container.ID) // nobody reads it there any more
	}

	every := func(uint64) bool { return true }

	return errors.Join(earlier.sweep(container.ID, every), os.RemoveAll(execDir(earlier.config.RunDir, container.ID)))
}

// earlier is the runtime with which a container of another namespace was made, as far as it takes to remove it.
func (r *Runtime) earlier(namespace string, container containers.Container) (*Runtime, error) {
	generated, err := specOfContainer(container)
	if err != nil {
		return nil, err
	}

	record := generated.Annotations[exits.Annotation]
	run := filepath.Dir(filepath.Dir(record))
	parent := "/" + namespace

	switch {
	case !filepath.IsAbs(record) || exits.Path(run, container.ID, number(container, labelAttempt)) != record:
		return nil, errors.New("it does not say which run directory it belongs to")
	case generated.Linux == nil || generated.Linux.CgroupsPath != filepath.Join(parent, container.ID):
		return nil, errors.New("its cgroup is not what it would be if it were ours")
	case !sameDirectory(run, r.config.RunDir) && inUse(run):
		return nil, fmt.Errorf("a daemon lives on %q", run)
	}

	return &Runtime{
		config: Config{
			RunDir: run, Namespace: namespace, CgroupParent: parent, Instance: r.config.Instance, Logger: r.config.Logger,
		},
		client: r.client, conn: r.conn, logs: logs.In(run), holds: make(map[string]held),
	}, nil
}

// stop has a running task end by itself, if it does within its time.
func (r *Runtime) stop(ctx context.Context, id string) error {
	response, err := r.state(ctx, id)
	if errdefs.IsNotFound(err) || err == nil && response.Process.Status != tasktypes.Status_RUNNING {
		return nil
	} else if err != nil {
		return err
	}

	if err := r.signal(ctx, id, uint32(unix.SIGTERM), false); err != nil {
		return err
	}

	grace, cancel := context.WithTimeout(ctx, earlierGrace)
	defer cancel()

	_, _ = r.client.TaskService().Wait(grace, &tasks.WaitRequest{ContainerID: id}) // else it is killed

	return ctx.Err()
}

func (r *Runtime) ourLabel() string {
	return fmt.Sprintf("labels.%q==%q", labelInstance, r.config.Instance)
}

// inUse tells whether a daemon lives on a run directory.
func inUse(runDir string) bool {
	file, err := os.Open(filepath.Join(runDir, LockName))
	if err != nil {
		return false
	}
	defer file.Close()

	return errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func sameDirectory(one, other string) bool {
	first, err := os.Stat(one)
	if err != nil {
		return false
	}

	second, err := os.Stat(other)

	return err == nil && os.SameFile(first, second)
}
