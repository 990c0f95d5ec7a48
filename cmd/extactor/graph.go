package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/picture"
)

// The values of --format.
const (
	formatSVG     = "svg"
	formatDOT     = "dot"
	formatMermaid = "mermaid"
)

// graphFlags are what of the graph is asked for, as it is written.
type graphFlags struct {
	format, file, at string
	every            bool
}

func (a *app) graphCommand() *cobra.Command {
	flags := &graphFlags{}
	command := &cobra.Command{
		Use:   "graph",
		Short: "Draw what depends on what, and what is unmet",
		Long: "Draw the services with what they depend on and how they are, as SVG, for Graphviz or for Mermaid. Arrows lead " +
			"from what is needed to what needs it. Dependencies that are unmet stand out, and services that wait for each other.\n\n" +
			"A moment is " + momentHelp + ".",
		Example: "  extactor graph -o graph.svg\n  extactor graph --format dot | dot -Tpdf >graph.pdf\n  extactor graph --at -10m -o before.svg",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains([]string{formatSVG, formatDOT, formatMermaid}, flags.format) {
				return usageError{fmt.Errorf("--format %q is not known; it is svg, dot or mermaid", flags.format)}
			}

			status, err := a.graphed(command.Context(), flags.at)
			if err != nil {
				return err
			}

			options := picture.MapOptions{Host: a.drawnHost(command), Every: flags.every}
			if flags.at != "" {
				options.WallNS = status.GetNow().GetWallNs()
			}

			return a.writePicture(flags.file, graphText(status, flags.format, options))
		},
	}
	command.Flags().StringVar(&flags.format, "format", formatSVG, "svg, dot or mermaid")
	command.Flags().StringVar(&flags.at, "at", "", "how it was at a moment of the past")
	command.Flags().BoolVar(&flags.every, "all", false, "draw every dependency and every service by itself, also where others say the same (svg)")
	a.pictureFile(command, &flags.file)
	complete(command, "format", cobra.ShellCompDirectiveNoFileComp, formatSVG, formatDOT, formatMermaid)

	return a.asksPast(command)
}

// graphed asks how the services are, or were at a moment.
func (a *app) graphed(ctx context.Context, at string) (*apiv1.StatusResponse, error) {
	if at == "" {
		return a.status(ctx, nil)
	}

	then, err := a.statusAt(ctx, nil, "--at", at)
	if err != nil {
		return nil, err
	}

	a.at(then).warnOfPast(then)

	return then.GetStatus(), nil
}

func graphText(status *apiv1.StatusResponse, format string, options picture.MapOptions) string {
	views := make([]events.View, 0, len(status.GetServices()))
	for _, service := range status.GetServices() {
		views = append(views, viewOf(service))
	}

	graph := picture.NewGraph(views)

	switch format {
	case formatDOT:
		return picture.DOT(graph)
	case formatMermaid:
		return picture.Mermaid(graph)
	default:
		return picture.Map(graph, options)
	}
}
