package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/oci/server"
)

// linkID is the built-in service that is the link to containerd.
const linkID = "containerd"

func (a *app) logsCommand() *cobra.Command {
	var since, until string

	request := &apiv1.LogsRequest{}
	command := &cobra.Command{
		Use:   "logs ID...",
		Short: "Show what services printed",
		Long: "Show what a service printed, as far as it is kept; of several services in the order of time, with the service before each line.\n\n" +
			"A line has the time at which it began to arrive, by the clock of the node as it was then, to the millisecond; lines that " +
			"were printed at once have the same. --since begins with the first line of which anything arrived at that time or later, " +
			"--until ends with the last one up to then: what is asked for is there, and there may be more where a line took long, or " +
			"that clock was set back.\n\n" +
			"A time is " + momentHelp + ".",
		Example: "  extactor logs hello-world --since 10m -f\n" +
			"  extactor logs hello-world --since 14:00 --until 14:05 --timestamps\n" +
			"  extactor logs storage network -f --tail 20",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeLogs,
		RunE: func(command *cobra.Command, args []string) (err error) {
			if request.GetTail() < -1 {
				return usageError{fmt.Errorf("--tail %d is not a number of lines; -1 means all", request.GetTail())}
			}

			if request.From, err = optionalPoint("--since", since); err != nil {
				return err
			}

			if request.Until, err = optionalPoint("--until", until); err != nil {
				return err
			}

			if slices.Contains(args, linkID) {
				return a.noLogOfLink()
			}

			request.Ids = args

			return a.eachStream(func(node *app, client *api.Client) error { return node.showLog(command.Context(), client, request) })
		},
	}
	command.Flags().BoolVarP(&request.Follow, "follow", "f", false, "go on with what is printed from now on, until the time that --until says, if it does")
	command.Flags().Int32Var(&request.Tail, "tail", -1, "only the last lines, of those of that time, so many of each service; -1: all")
	command.Flags().StringVar(&since, "since", "", "only lines from this time on")
	command.Flags().StringVar(&until, "until", "", "only lines up to this time")
	command.Flags().BoolVarP(&request.Timestamps, "timestamps", "t", false, "show the time of each line before it, in UTC")

	return a.asks(command)
}

// completeLogs completes the ids of services that have a log.
func (a *app) completeLogs(command *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ids, directive := a.completeIDs(-1)(command, args, typed)

	return slices.DeleteFunc(ids, func(id cobra.Completion) bool { return !strings.HasPrefix(id, "ext-") }), directive
}

// noLogOfLink says where the log is that is asked for.
func (a *app) noLogOfLink() error {
	where := server.LogPath(filepath.Dir(a.socket))
	if a.remote.set() {
		where = "a file on the node: see extactor info"
	}

	return fmt.Errorf("service %q has no log here: it is the link to containerd; an embedded one writes to %s", linkID, where)
}

// showLog shows what services printed; of one of several nodes with its name before each line, as Talos's client does.
func (a *app) showLog(ctx context.Context, client *api.Client, request *apiv1.LogsRequest) (err error) {
	stream, err := client.Extactor.Logs(ctx, request)
	if err != nil {
		return err
	}

	out := a.stdout

	if a.several {
		lines := &prefixed{out: a.stdout, prefix: a.node + ": "}
		defer func() { err = errors.Join(err, lines.end()) }()

		out = lines
	}

	return receive(stream.Recv, func(piece *apiv1.LogPiece) error {
		_, err := out.Write(piece.GetText())

		return err
	})
}
