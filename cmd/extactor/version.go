package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/api"
)

func (a *app) versionCommand() *cobra.Command {
	var output string

	command := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program and, if it answers, of the daemon",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != outputTable && output != outputJSON {
				return usageError{fmt.Errorf("-o %q is not known; it is table or json", output)}
			}

			daemon := ""
			err := a.ask(func(client *api.Client) error {
				ctx, cancel := context.WithTimeout(command.Context(), patience)
				defer cancel()

				response, err := client.Machine.Version(ctx, &emptypb.Empty{})
				for _, message := range response.GetMessages() {
					daemon = message.GetVersion().GetTag()
				}

				return err
			})
			if output == outputJSON {
				document := versionDocument{APIVersion: apiVersion, Client: version, Daemon: daemon}
				if err != nil {
					document.Problem = err.Error()
				}

				return writeJSON(a.stdout, document, "  ")
			}

			if err != nil {
				daemon = err.Error()
			}

			(&table{out: a.stdout}).write(plain("CLIENT", version), plain("DAEMON", daemon))

			return nil
		},
	}

	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, or json")
	completeOutput(command, outputTable, outputJSON)

	return a.asks(command)
}

// versionDocument is `extactor version -o json`.
type versionDocument struct {
	APIVersion string `json:"apiVersion"`
	Client     string `json:"client"`
	Daemon     string `json:"daemon"`  // empty where none answers
	Problem    string `json:"problem"` // why none does
}
