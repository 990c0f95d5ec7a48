package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/oci/server"
)

// containerdCommand is the embedded containerd; the daemon starts it.
func (a *app) containerdCommand() *cobra.Command {
	config := server.Config{Version: version}

	command := &cobra.Command{
		Use: "containerd", Short: "Serve containers for the daemon (internal)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return server.Run(command.Context(), config) },
	}
	command.Flags().StringVar(&config.RunDir, "run", defaultRunDir, "run directory of the daemon")

	return command
}

// logdCommand moves what services print into files; the daemon starts it.
func (a *app) logdCommand() *cobra.Command {
	var run string

	command := &cobra.Command{
		Use: "logd", Short: "Keep the logs of services for the daemon (internal)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()

			return logs.Run(ctx, logs.Options{
				Dir: logs.In(run), Version: version, Ready: os.Stdout,
				Report: func(err error) { fmt.Fprintf(a.stderr, "extactor: logd: %v\n", err) },
			})
		},
	}
	command.Flags().StringVar(&run, "run", defaultRunDir, "run directory of the daemon")

	return command
}
