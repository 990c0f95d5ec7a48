package daemon

import (
	"context"
	"errors"
	"io"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/config"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// apiJournal is the journal as the API reads it.
type apiJournal struct{ *journal.Journal }

func (j apiJournal) Subscribe(after uint64) api.Subscription { return j.Journal.Subscribe(after) }

// apiLogs are the services' logs as the API reads them.
type apiLogs struct{ dir logs.Dir }

// Open implements api.Logs.
func (l apiLogs) Open(ctx context.Context, services []string, query api.LogQuery) (io.ReadCloser, error) {
	return logs.Read(ctx, l.dir, services, logs.Query(query))
}

// IDs implements api.Logs.
func (l apiLogs) IDs() ([]string, error) { return logs.List(l.dir) }

// apiContainers are what containerd shows, as the API shows it.
type apiContainers struct{ runtime *oci.Runtime }

// Tasks implements api.Containers.
func (c apiContainers) Tasks(ctx context.Context) ([]api.Task, error) {
	shown, err := c.runtime.Tasks(ctx)

	tasks := make([]api.Task, len(shown))
	for i, task := range shown {
		tasks[i] = api.Task(task)
	}

	return tasks, err
}

// apiConfigs are the documents as the API changes them.
type apiConfigs struct {
	store   config.Store
	reloads *reloads
}

// Apply implements api.Configs.
func (c apiConfigs) Apply(ctx context.Context, source string, content []byte) ([]api.AppliedConfig, []api.Change, spec.Problems, error) {
	var (
		applied  []api.AppliedConfig
		problems spec.Problems
	)

	changes, _, err := c.reloads.after(ctx, func() error {
		done, found, err := c.store.Apply(source, content)
		problems = found

		for _, one := range done {
			applied = append(applied, api.AppliedConfig{Name: one.Name, Action: string(one.Action), Source: one.Source})
		}

		if err == nil && len(done) == 0 {
			return errNothingApplied
		}

		return err
	})
	if errors.Is(err, errNothingApplied) {
		return nil, nil, problems, nil
	}

	return applied, apiChanges(changes), problems, err
}

// errNothingApplied keeps services from following documents that were refused.
var errNothingApplied = errors.New("the documents have problems")

// Delete implements api.Configs.
func (c apiConfigs) Delete(ctx context.Context, name string) ([]api.Change, error) {
	changes, _, err := c.reloads.after(ctx, func() error { return c.store.Delete(name) })

	return apiChanges(changes), err
}

// Load implements api.Configs.
func (c apiConfigs) Load() ([]*spec.Config, spec.Problems) { return c.store.Load() }

// apiFiles are the directories as the API reads them anew.
type apiFiles struct{ reloads *reloads }

// Reload implements api.Files.
func (f apiFiles) Reload(ctx context.Context) ([]api.Change, spec.Problems, error) {
	changes, problems, err := f.reloads.Reload(ctx)

	return apiChanges(changes), problems, err
}

func apiChanges(changes []actors.Change) []api.Change {
	converted := make([]api.Change, len(changes))
	for i, change := range changes {
		converted[i] = api.Change{ID: change.ID, Action: string(change.Action)}
	}

	return converted
}

// apiCommands runs what the API is asked to.
type apiCommands struct{ runtime *oci.Runtime }

// Exec implements api.Commands.
func (c apiCommands) Exec(ctx context.Context, request api.ExecRequest) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	sizes := make(chan service.WindowSize)

	go handOnSizes(ctx, request.Resize, sizes)

	return c.runtime.Exec(ctx, service.Task{ID: request.ID, Attempt: request.Attempt}, service.ExecRequest{
		Args: request.Args, Env: request.Env, Cwd: request.Cwd, Terminal: request.Terminal,
		Stdin: request.Stdin, Stdout: request.Stdout, Stderr: request.Stderr, Resize: sizes,
	})
}

func handOnSizes(ctx context.Context, from <-chan api.WindowSize, to chan<- service.WindowSize) {
	for {
		select {
		case size := <-from:
			select {
			case to <- service.WindowSize(size):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// apiMeters read the cgroups of the services below this one.
type apiMeters struct{ cgroupParent string }

// Usages implements api.Meters.
func (m apiMeters) Usages(ids []string) (map[string]api.Usage, error) {
	measured, err := cgroup.Measure(m.cgroupParent, ids)
	usages := make(map[string]api.Usage, len(measured))

	for id, usage := range measured {
		usages[id] = api.Usage(usage)
	}

	return usages, err
}
