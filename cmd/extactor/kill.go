package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

func (a *app) killCommand() *cobra.Command {
	var signal string

	command := &cobra.Command{
		Use:   "kill ID -s SIGNAL",
		Short: "Send a signal to the program of a running service",
		Long: "Send a signal to the program of a running service, its first process. What follows is up to the program: where it ends, " +
			"the service's restart policy applies. To end a service, stop it: extactor service ID stop.",
		Example: "  extactor kill hello-world -s HUP\n" +
			"  extactor kill hello-world -s QUIT && extactor logs hello-world --tail 50",
		SuggestFor:        []string{"signal"},
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if signal == "" {
				return usageError{errors.New("a signal is needed: -s HUP; to end a service: extactor service ID stop")}
			}

			return a.respond(func(client *api.Client) (*apiv1.ServiceResponse, error) {
				return a.sendSignal(command.Context(), client, args[0], signal)
			})
		},
	}
	command.Flags().StringVarP(&signal, "signal", "s", "", "name or number of the signal: SIGHUP, HUP, 1")
	complete(command, "signal", cobra.ShellCompDirectiveNoFileComp, "HUP", "INT", "QUIT", "TERM", "USR1", "USR2")

	return a.asks(command)
}

func (a *app) sendSignal(ctx context.Context, client *api.Client, id, signal string) (*apiv1.ServiceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	return client.Extactor.Signal(ctx, &apiv1.SignalRequest{Id: id, Signal: signal})
}
