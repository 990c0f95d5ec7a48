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
		Long: "Check service files, without a daemon. Of a directory those are checked which a daemon would read (*.yaml), and " +
			"whether they fit together: that each service that is depended on is there, and that none waits for itself.",
		Example: "  extactor validate hello-world.yaml\n" +
			"  extactor validate --strict " + defaultServicesDir,
		SuggestFor: []string{"check", "lint", "verify"},
		Args:       cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			failed := false

			for _, path := range paths {
				services, problems := load(path)
				failed = failed || problems.Failed(strict)

				for _, problem := range problems {
					fmt.Fprintln(a.stdout, problem)
				}

				hints := betweenFiles(services, isDirectory(path) && !problems.Failed(false))
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

// load reads one service file, or those of a directory.
func load(path string) ([]*spec.Service, spec.Problems) {
	if isDirectory(path) {
		return spec.LoadDir(path)
	}

	service, problems := spec.LoadFile(path)
	if service == nil {
		return nil, problems
	}

	return []*spec.Service{service}, problems
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)

	return err == nil && info.IsDir()
}
