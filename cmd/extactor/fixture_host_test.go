package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/config"
	"github.com/extactor/extactor/spec"
)

// stored are the house's documents in a real directory, with services that follow them.
func (h *house) stored() storedConfigs {
	return storedConfigs{store: config.Store{Dir: h.configDir}}
}

type storedConfigs struct{ store config.Store }

func (s storedConfigs) Apply(_ context.Context, source string, content []byte) ([]api.AppliedConfig, []api.Change, spec.Problems, error) {
	done, problems, err := s.store.Apply(source, content)

	var (
		applied []api.AppliedConfig
		changes []api.Change
	)

	for _, one := range done {
		applied = append(applied, api.AppliedConfig{Name: one.Name, Action: string(one.Action), Source: one.Source})

		if one.Action != config.Unchanged {
			changes = append(changes, api.Change{ID: "ext-" + one.Name, Action: "changed"})
		}
	}

	return applied, changes, problems, err
}

func (s storedConfigs) Delete(_ context.Context, name string) ([]api.Change, error) {
	return []api.Change{{ID: "ext-" + name, Action: "changed"}}, s.store.Delete(name)
}

func (s storedConfigs) Load() ([]*spec.Config, spec.Problems) { return s.store.Load() }

// Reload finds trouble where there are no documents.
func (s storedConfigs) Reload(context.Context) ([]api.Change, spec.Problems, error) {
	if configs, _ := s.store.Load(); len(configs) > 0 {
		return nil, nil, nil
	}

	problem := spec.Problem{File: "/s/bad.yaml", Line: 2, Column: 3, Severity: spec.Error, Message: "entrypoint is required", SourceLine: "  args: [x]"}

	return []api.Change{{ID: "ext-bad", Action: "ignored"}, {ID: "ext-new", Action: "added"}}, spec.Problems{problem}, nil
}

// commands are what the containers of the house have.
type commands struct{}

func (commands) Exec(_ context.Context, request api.ExecRequest) (int, error) {
	switch request.Args[0] {
	case "show":
		fmt.Fprintf(request.Stdout, "%s %d %q %q %q %v\n", request.ID, request.Attempt, request.Args, request.Env, request.Cwd, request.Terminal)

		return 0, nil
	case "cat":
		if request.Stdin == nil {
			return 0, nil
		}

		_, err := io.Copy(request.Stdout, request.Stdin)

		return 0, err
	case "fail":
		fmt.Fprintln(request.Stderr, "it failed")

		return 42, nil
	case "broken":
		return -1, errors.New("cannot run a command: containerd does not answer")
	default:
		return 127, fmt.Errorf("cannot run a command in %q: command %q not found", request.ID, request.Args[0])
	}
}
