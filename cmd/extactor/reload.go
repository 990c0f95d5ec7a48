package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

func (a *app) reloadCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "reload",
		Short: "Have services follow their files now, and show what that did",
		Long: "Have services follow their files now, and show what that did. The daemon does the same by itself when files change. " +
			"A file with problems changes nothing; the problems are shown.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return a.ask(func(client *api.Client) error {
				response, err := client.Extactor.Reload(command.Context(), &apiv1.ReloadRequest{})
				if err != nil {
					return err
				}

				problems := api.Problems(response.GetProblems())
				a.showProblems(problems)

				if len(response.GetChanges()) == 0 {
					fmt.Fprintln(a.stdout, "Nothing has changed")
				}

				a.showChanges(response.GetChanges(), false)

				if len(problems.Errors()) > 0 {
					return errors.New("cannot load every file; see above")
				}

				return nil
			})
		},
	}

	return a.asks(command)
}

func (a *app) showProblems(problems spec.Problems) {
	for _, problem := range problems {
		fmt.Fprintln(a.stdout, problem)
	}
}

// showChanges shows what files did to services, below another table where there is one.
func (a *app) showChanges(changes []*apiv1.ServiceChange, below bool) {
	if len(changes) == 0 {
		return
	}

	if below {
		fmt.Fprintln(a.stdout)
	}

	rows := [][]cell{plain("SERVICE", "ACTION")}
	for _, change := range changes {
		rows = append(rows, plain(change.GetId(), change.GetAction()))
	}

	(&table{out: a.stdout}).write(rows...)
}
