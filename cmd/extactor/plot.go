package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/picture"
)

func (a *app) plotCommand() *cobra.Command {
	var (
		name    string
		file    string
		options picture.PlotOptions
	)

	command := &cobra.Command{
		Use:   "plot",
		Short: "Draw a boot as SVG: what each service did when, and what took the time",
		Long: "Draw a boot as SVG, from the journal: a bar for each service and for each condition that was waited for, in the " +
			"colour of its state, with its retries. The critical path is marked: the chain of dependencies that determined when " +
			"the last service, or the one of --service, came up, and how much of the time each of them took.",
		Example: "  extactor plot -o boot.svg\n  extactor plot --boot -1 --dependencies >before.svg\n" +
			"  extactor plot --service storage --for 10m --journal /mnt/var/lib/extactor -o storage.svg",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if options.Length < 0 {
				return usageError{fmt.Errorf("--for %s is no length of time", options.Length)}
			}

			boot, err := a.boot(command.Context(), name)
			if err != nil {
				return err
			}

			if id := options.Service; id != "" {
				if options.Service = boot.Find(id); options.Service == "" {
					return fmt.Errorf("cannot mark the path to %q: the journal has no such service in this boot", id)
				}
			}

			options.Host = a.drawnHost(command)

			return a.writePicture(file, picture.Plot(boot, options))
		},
	}
	flags := command.Flags()
	flags.StringVar(&name, "boot", "", "which boot: 0 is the newest, -1 the one before, or a kernel boot id; by default this one")
	flags.StringVar(&options.Service, "service", "", "mark what this service waited for, instead of the one that came up last")
	flags.DurationVar(&options.Length, "for", 0, "how much of the boot to draw, such as 10m; by default until the last service came up")
	flags.BoolVar(&options.Dependencies, "dependencies", false, "draw what waited for what")
	a.pictureFile(command, &file)
	complete(command, "boot", cobra.ShellCompDirectiveNoFileComp, "0", "-1")
	complete(command, "for", cobra.ShellCompDirectiveNoFileComp, time.Minute.String())

	if err := command.RegisterFlagCompletionFunc("service", a.completeIDs(-1)); err != nil {
		panic(err) // only for a flag that does not exist
	}

	return a.asksPast(command)
}

func (a *app) pictureFile(command *cobra.Command, file *string) {
	command.Flags().StringVarP(file, "output", "o", "-", "file to write; -: standard output")
}

// drawnHost is the name of the machine that a picture is of: this one, but a journal's file may be of any.
func (a *app) drawnHost(command *cobra.Command) string {
	if command.Flags().Changed("journal") {
		return ""
	}

	return a.node
}

// writePicture writes into a file, or to stdout. A picture on a terminal helps nobody, but it is what was asked for.
func (a *app) writePicture(file, text string) error {
	if file == "-" || file == "" {
		_, err := io.WriteString(a.stdout, text)

		return err
	}

	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { // #nosec G306 -- a picture holds names and times, and is for showing
		return fmt.Errorf("cannot write the picture: %w", err)
	}

	return nil
}
