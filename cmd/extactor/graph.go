package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/picture"
)

// The values of --format.
const (
	formatSVG     = "svg"
	formatDOT     = "dot"
	formatMermaid = "mermaid"
)

func (a *app) graphCommand() *cobra.Command {
	var (
		format, file string
		every        bool
	)

	command := &cobra.Command{
		Use:   "graph",
		Short: "Draw what depends on what, and what is unmet",
		Long: "Draw the services with what they depend on and how they are, as SVG, for Graphviz or for Mermaid. Arrows lead " +
			"from what is needed to what needs it. Dependencies that are unmet stand out, and services that wait for each other.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var write func(picture.Graph) string

			switch format {
			case formatSVG:
				write = func(graph picture.Graph) string {
					return picture.Map(graph, picture.MapOptions{Host: a.node, Every: every})
				}
			case formatDOT:
				write = picture.DOT
			case formatMermaid:
				write = picture.Mermaid
			default:
				return usageError{fmt.Errorf("--format %q is not known; it is svg, dot or mermaid", format)}
			}

			response, err := a.status(command.Context(), nil)
			if err != nil {
				return err
			}

			views := make([]events.View, 0, len(response.GetServices()))
			for _, service := range response.GetServices() {
				views = append(views, viewOf(service))
			}

			return a.writePicture(file, write(picture.NewGraph(views)))
		},
	}
	command.Flags().StringVar(&format, "format", formatSVG, "svg, dot or mermaid")
	command.Flags().BoolVar(&every, "all", false, "draw every dependency and every service by itself, also where others say the same (svg)")
	a.pictureFile(command, &file)
	complete(command, "format", cobra.ShellCompDirectiveNoFileComp, formatSVG, formatDOT, formatMermaid)

	return a.asks(command)
}
