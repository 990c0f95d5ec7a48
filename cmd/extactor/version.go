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

			if targets, err := a.targets(); err == nil && len(targets) > 1 {
				return a.showVersions(command.Context(), targets, output)
			}

			daemon := ""
			err := a.ask(func(client *api.Client) (err error) {
				daemon, err = daemonVersion(command.Context(), client)

				return err
			})
			if err != nil && a.remote.set() {
				return err
			}

			if output == outputJSON {
				document := versionDocument{APIVersion: apiVersion, Node: a.remoteNode(), Client: version, Daemon: daemon}
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

func daemonVersion(ctx context.Context, client *api.Client) (tag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	response, err := client.Machine.Version(ctx, &emptypb.Empty{})
	for _, message := range response.GetMessages() {
		tag = message.GetVersion().GetTag()
	}

	return tag, err
}

// showVersions shows those of several nodes.
func (a *app) showVersions(ctx context.Context, targets []target, output string) error {
	table := &table{out: a.stdout, widths: []int{0}}
	for _, target := range targets {
		table.widths[0] = max(table.widths[0], len(target.node))
	}

	if output == outputTable {
		table.write(plain("CLIENT", version))
	}

	return eachNode(a, func(_ *app, client *api.Client) (string, error) {
		return daemonVersion(ctx, client)
	}, func(node *app, daemon string) error {
		if output == outputJSON {
			return writeJSON(a.stdout, versionDocument{APIVersion: apiVersion, Node: node.node, Client: version, Daemon: daemon}, "  ")
		}

		table.write(plain(node.node, daemon))

		return nil
	})
}

// versionDocument is `extactor version -o json`.
type versionDocument struct {
	APIVersion string `json:"apiVersion"`
	Node       string `json:"node,omitempty"` // that was asked, where it is on the network
	Client     string `json:"client"`
	Daemon     string `json:"daemon"`  // empty where none answers
	Problem    string `json:"problem"` // why none does
}
