package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/spec"
)

func (a *app) validateCommand() *cobra.Command {
	var strict bool

	command := &cobra.Command{
		Use:   "validate FILE|DIR|-...",
		Short: "Check service files, without a daemon",
		Long: "Check service files, without a daemon. Of a directory those are checked which a daemon would read (*.yaml), and " +
			"whether they fit together: that each service that is depended on is there, and that none waits for itself. " +
			"With - a file is read from standard input.",
		Example: "  extactor validate hello-world.yaml\n" +
			"  extactor validate --strict " + defaultServicesDir,
		SuggestFor: []string{"check", "lint", "verify"},
		Args:       cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			failed := false

			for _, path := range paths {
				services, problems := a.load(path)
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
func (a *app) load(path string) ([]*spec.Service, spec.Problems) {
	if isDirectory(path) {
		return spec.LoadDir(path)
	}

	service, problems := a.loadFile(path)
	if service == nil {
		return nil, problems
	}

	return []*spec.Service{service}, problems
}

// loadFile reads one service file, of standard input for "-".
func (a *app) loadFile(path string) (*spec.Service, spec.Problems) {
	if path != "-" {
		return spec.LoadFile(path)
	}

	content, err := io.ReadAll(io.LimitReader(a.stdin, spec.MaxFileSize+1))
	if err != nil {
		return nil, spec.Problems{{File: standardInput, Severity: spec.Error, Message: fmt.Sprintf("cannot read it: %v", err)}}
	}

	return spec.Parse(standardInput, content)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)

	return err == nil && info.IsDir()
}
