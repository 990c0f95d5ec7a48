package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

func (a *app) configCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Apply, list, show and delete the configuration of services",
		Long: "Apply, list, show and delete the configuration of services: ExtensionServiceConfig documents. " +
			"A service whose document changes takes it up at once.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(a.configApplyCommand(), a.configListCommand(), a.configShowCommand(), a.configDeleteCommand())

	return command
}

func (a *app) configApplyCommand() *cobra.Command {
	var path string

	command := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Store documents, all of them or, where one has a problem, none",
		Example: "  extactor config apply -f hello-world.yaml\n" +
			"  extactor config show hello-world --reveal | sed s/old/new/ | extactor config apply -f -",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{errors.New("a file is needed: -f FILE, or -f - for standard input")}
			}

			request, err := a.documents(path)
			if err != nil {
				return err
			}

			return a.ask(func(client *api.Client) error {
				response, err := client.Extactor.ApplyConfig(command.Context(), request)
				if err != nil {
					return err
				}

				problems := api.Problems(response.GetProblems())
				a.showProblems(problems)

				if len(problems.Errors()) > 0 {
					return fmt.Errorf("nothing is applied, because of what is wrong in %s; see above", request.GetSource())
				}

				rows := [][]cell{plain("NAME", "ACTION", "SOURCE")}
				for _, one := range response.GetApplied() {
					rows = append(rows, plain(one.GetName(), one.GetAction(), one.GetSource()))
				}

				(&table{out: a.stdout}).write(rows...)
				a.showChanges(append(response.GetChanges(), a.unclaimed(command.Context(), client, response)...), true)

				return nil
			})
		},
	}
	command.Flags().StringVarP(&path, "filename", "f", "", "file with one or more documents; -: standard input")

	return a.asks(command)
}

// unclaimed are the documents whose service there is not: it may be still to come, or the name is mistyped.
func (a *app) unclaimed(ctx context.Context, client *api.Client, applied *apiv1.ApplyConfigResponse) (unclaimed []*apiv1.ServiceChange) {
	known := make(map[string]bool)
	for _, change := range applied.GetChanges() {
		known[change.GetId()] = true
	}

	response, err := a.askStatus(ctx, client, nil)
	if err != nil {
		return nil
	}

	for _, service := range response.GetServices() {
		known[service.GetId()] = true
	}

	for _, one := range applied.GetApplied() {
		if id := "ext-" + one.GetName(); !known[id] {
			unclaimed = append(unclaimed, &apiv1.ServiceChange{Id: id, Action: "there is no such service yet"})
		}
	}

	return unclaimed
}

// standardInput names what is read from there.
const standardInput = "standard input"

// documents reads what is to be applied, up to one byte more than any file may have, as the daemon will say.
func (a *app) documents(path string) (*apiv1.ApplyConfigRequest, error) {
	from, name := a.stdin, standardInput

	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the documents: %w", err)
		}
		defer file.Close()

		from, name = file, path
	}

	content, err := io.ReadAll(io.LimitReader(from, spec.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the documents from %s: %w", name, err)
	}

	return &apiv1.ApplyConfigRequest{Source: name, Content: content}, nil
}

func (a *app) configListCommand() *cobra.Command {
	var output string

	command := &cobra.Command{
		Use:   "list",
		Short: "List the documents that are stored",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := checkOutput(output, outputTable, outputJSON, outputYAML); err != nil {
				return err
			}

			return a.ask(func(client *api.Client) error {
				response, err := client.Extactor.ListConfigs(command.Context(), &apiv1.ListConfigsRequest{})
				if err != nil {
					return err
				}

				return a.showConfigs(response, output)
			})
		},
	}
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, json or yaml")
	completeOutput(command, outputTable, outputJSON, outputYAML)

	return a.asks(command)
}

func (a *app) configShowCommand() *cobra.Command {
	var (
		output  string
		request apiv1.ShowConfigRequest
	)

	command := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a document, without what may be secret in it",
		Long: "Show a document, without what may be secret in it: of the environment the names, of files the paths and sizes. " +
			"With --reveal it is shown as a whole, and can be applied again.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConfigs,
		RunE: func(command *cobra.Command, args []string) error {
			if err := checkOutput(output, outputYAML, outputJSON); err != nil {
				return err
			}

			request.Name = args[0]

			return a.ask(func(client *api.Client) error {
				config, err := client.Extactor.ShowConfig(command.Context(), &request)
				if err != nil {
					return err
				}

				return a.showConfig(config, output)
			})
		},
	}
	command.Flags().StringVarP(&output, "output", "o", outputYAML, "yaml or json")
	command.Flags().BoolVar(&request.Reveal, "reveal", false, "show the contents of files and the values of the environment too")
	completeOutput(command, outputYAML, outputJSON)

	return a.asks(command)
}

func (a *app) configDeleteCommand() *cobra.Command {
	command := &cobra.Command{
		Use:               "delete NAME",
		Short:             "Delete a document",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConfigs,
		RunE: func(command *cobra.Command, args []string) error {
			return a.ask(func(client *api.Client) error {
				response, err := client.Extactor.DeleteConfig(command.Context(), &apiv1.DeleteConfigRequest{Name: args[0]})
				if err != nil {
					return err
				}

				(&table{out: a.stdout}).write(plain("NAME", "ACTION"), plain(response.GetName(), "deleted"))
				a.showChanges(response.GetChanges(), true)

				return nil
			})
		},
	}

	return a.asks(command)
}

// completeConfigs completes the name of a document by asking the daemon.
func (a *app) completeConfigs(command *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	_ = a.ask(func(client *api.Client) error {
		response, err := client.Extactor.ListConfigs(command.Context(), &apiv1.ListConfigsRequest{})
		for _, config := range response.GetConfigs() {
			names = append(names, config.GetName())
		}

		return err
	})

	return names, cobra.ShellCompDirectiveNoFileComp
}

// checkOutput refuses a value of -o that the command does not know.
func checkOutput(output string, known ...string) error {
	if slices.Contains(known, output) {
		return nil
	}

	last := len(known) - 1

	return usageError{fmt.Errorf("-o %q is not known; it is %s or %s", output, strings.Join(known[:last], ", "), known[last])}
}
