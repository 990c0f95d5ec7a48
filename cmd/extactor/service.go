package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

var actions = []cobra.Completion{"start", "stop", "restart", "status"}

func (a *app) serviceCommand() *cobra.Command {
	completeID := a.completeIDs(1)
	command := &cobra.Command{
		Use:   "service [ID [start|stop|restart|status]]",
		Short: "Show, start, stop and restart services, as talosctl does",
		Long: "Show, start, stop and restart services, as talosctl does. Stop and restart return once the service has stopped; " +
			"what a person stopped stays stopped until the next boot, or until it is started.",
		Example: "  extactor service\n  extactor service hello-world\n  extactor service hello-world restart",
		Args:    cobra.MaximumNArgs(2),
		ValidArgsFunction: func(command *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return actions, cobra.ShellCompDirectiveNoFileComp
			}

			return completeID(command, args, word)
		},
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 2 && !slices.Contains(actions, args[1]) {
				return usageError{fmt.Errorf("service action %q is not known; it is start, stop, restart or status", args[1])}
			}

			if len(args) == 2 && args[1] != "status" {
				return a.command(command.Context(), args[0], args[1])
			}

			return a.showEachStatus(command.Context(), args[:min(len(args), 1)], true, outputTable)
		},
	}

	return a.asks(command)
}

// command gives a person's order. It returns once a service that has to stop for it has stopped.
func (a *app) command(ctx context.Context, id, action string) error {
	return a.respond(func(client *api.Client) (*apiv1.ServiceResponse, error) {
		call := client.Extactor.Start

		switch action {
		case "stop":
			call = client.Extactor.Stop
		case "restart":
			call = client.Extactor.Restart
		}

		return call(ctx, &apiv1.ServiceRequest{Id: id, Wait: action != "start"})
	})
}

// respond gives an order to each node, and shows what they answer.
func (a *app) respond(order func(client *api.Client) (*apiv1.ServiceResponse, error)) error {
	table := &table{out: a.stdout}

	return eachNode(a, func(_ *app, client *api.Client) (*apiv1.ServiceResponse, error) {
		return order(client)
	}, func(node *app, response *apiv1.ServiceResponse) error {
		if len(table.widths) == 0 {
			table.write(plain("NODE", "RESPONSE"), plain(node.node, response.GetMessage()))
		} else {
			table.write(plain(node.node, response.GetMessage()))
		}

		return nil
	})
}
