package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/api"
)

func (a *app) versionCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program and, if it answers, of the daemon",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
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
			if err != nil {
				daemon = err.Error()
			}

			(&table{out: a.stdout}).write(plain("CLIENT", version), plain("DAEMON", daemon))

			return nil
		},
	}

	return a.asks(command)
}
