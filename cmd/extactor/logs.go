package main

import (
	"context"
	"errors"
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

			if args[0] == linkID && a.remote.set() {
				return fmt.Errorf("service %q has no log here: it is the link to containerd; an embedded one writes to a file on the node: see extactor info", linkID)
			} else if args[0] == linkID {
				return fmt.Errorf("service %q has no log here: it is the link to containerd; an embedded one writes to %s",
					linkID, server.LogPath(filepath.Dir(a.socket)))
			}

			request.Id = args[0]

			return a.eachStream(func(node *app, client *api.Client) error { return node.showLog(command.Context(), client, request) })
		},
	}
	command.Flags().BoolVarP(&request.Follow, "follow", "f", false, "go on with what it prints from now on")
	command.Flags().Int32Var(&request.TailLines, "tail", -1, "only the last lines, so many; -1: all that is kept")

	return a.asks(command)
}

// showLog shows what a service printed; of one of several nodes with its name before each line, as Talos's client does.
func (a *app) showLog(ctx context.Context, client *api.Client, request *machine.LogsRequest) (err error) {
	stream, err := client.Machine.Logs(ctx, request)
	if err != nil {
		return err
	}

	out := a.stdout

	if a.several {
		lines := &prefixed{out: a.stdout, prefix: a.node + ": "}
		defer func() { err = errors.Join(err, lines.end()) }()

		out = lines
	}

	return receive(stream.Recv, func(data *common.Data) error {
		_, err := out.Write(data.GetBytes())

		return err
	})
}
