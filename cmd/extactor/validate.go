package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/spec"
)

func (a *app) validateCommand() *cobra.Command {
	var strict bool

	command := &cobra.Command{
		Use:   "validate FILE|DIR...",
		Short: "Check service files, without a daemon",
		Long:  "Check service files, without a daemon. Of a directory those are checked which a daemon would read (*.yaml).",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			failed := false

			for _, path := range paths {
				services, problems := load(path)
				failed = failed || problems.Failed(strict)

				for _, problem := range problems {
					fmt.Fprintln(a.stdout, problem)
				}

				hints := likelyMeant(services)
				failed = failed || strict && len(hints) > 0

				for _, hint := range hints {
					fmt.Fprintln(a.stdout, hint)
				}

				for _, service := range services {
					fmt.Fprintf(a.stdout, "%s: %s is valid\n", service.Source, service.ID())
				}

				if len(services) == 0 && len(problems) == 0 {
					fmt.Fprintf(a.stderr, "extactor: no service files (*.yaml) in %s\n", path)
				}
			}

			if failed {
				return fmt.Errorf("cannot load every file; see above")
			}

			return nil
		},
	}
	command.Flags().BoolVar(&strict, "strict", false, "fail on warnings too, such as unknown fields")

	return command
}

// likelyMeant finds dependencies on a service that nobody knows where one with "ext-" before its name is among the files.
// It may still be a service of the host, so it is a warning.
func likelyMeant(services []*spec.Service) (hints []spec.Problem) {
	known := make(map[string]bool, len(services))
	for _, service := range services {
		known[service.ID()] = true
	}

	for _, service := range services {
		for _, dependency := range service.Depends {
			meant := "ext-" + dependency.Service
			if dependency.Service == "" || dependency.Service == linkID || !known[meant] {
				continue
			}

			hints = append(hints, spec.WarnOfDependency(service.Source, dependency.Service,
				fmt.Sprintf("depends on service %q: did you mean %q?", dependency.Service, meant)))
		}
	}

	return hints
}

// load reads one service file, or those of a directory.
func load(path string) ([]*spec.Service, spec.Problems) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return spec.LoadDir(path)
	}

	service, problems := spec.LoadFile(path)
	if service == nil {
		return nil, problems
	}

	return []*spec.Service{service}, problems
}
