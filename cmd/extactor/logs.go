package main

import (
	"fmt"
	"path/filepath"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/oci/server"
)

// linkID is the built-in service that is the link to containerd.
const linkID = "containerd"

func (a *app) logsCommand() *cobra.Command {
	request := &machine.LogsRequest{Namespace: "system", Driver: common.ContainerDriver_CONTAINERD}
	command := &cobra.Command{
		Use:               "logs ID",
		Short:             "Show what a service printed",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if request.GetTailLines() < -1 {
				return usageError{fmt.Errorf("--tail %d is not a number of lines; -1 means all", request.GetTailLines())}
			}

			if args[0] == linkID {
				return fmt.Errorf("service %q has no log here: it is the link to containerd; an embedded one writes to %s",
					linkID, server.LogPath(filepath.Dir(a.socket)))
			}

			return a.ask(func(client *api.Client) error {
				request.Id = args[0]

				stream, err := client.Machine.Logs(command.Context(), request)
				if err != nil {
					return err
				}

				return receive(stream.Recv, func(data *common.Data) error {
					_, err := a.stdout.Write(data.GetBytes())

					return err
				})
			})
		},
	}
	command.Flags().BoolVarP(&request.Follow, "follow", "f", false, "go on with what it prints from now on")
	command.Flags().Int32Var(&request.TailLines, "tail", -1, "only the last lines, so many; -1: all that is kept")

	return a.asks(command)
}
