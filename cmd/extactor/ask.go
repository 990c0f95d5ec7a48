package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// patience is how long a daemon may take for an answer that needs no waiting.
const patience = 10 * time.Second

// ask connects to the daemon, calls, and words what went wrong for people.
func (a *app) ask(call func(client *api.Client) error) error {
	client, err := api.Dial(a.socket)
	if err != nil {
		return err
	}
	defer client.Close()

	return client.Explain(call(client))
}

// status asks for the services with these ids, all for none.
func (a *app) status(ctx context.Context, ids []string) (response *apiv1.StatusResponse, err error) {
	err = a.ask(func(client *api.Client) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		response, err = client.Extactor.Status(ctx, &apiv1.StatusRequest{Ids: ids})

		return err
	})

	return response, err
}

// completeIDs completes the ids of services, at most so many of them, by asking the daemon.
func (a *app) completeIDs(most int) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		response, err := a.status(command.Context(), nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var ids []cobra.Completion
		for _, service := range response.GetServices() {
			ids = append(ids, cobra.CompletionWithDesc(service.GetId(), service.GetState()))
		}

		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
