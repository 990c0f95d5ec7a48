package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// Where a daemon looks unless it is told otherwise: where Talos has its extension services.
const (
	defaultServicesDir = "/usr/local/etc/containers"
	defaultRootfsDir   = "/usr/local/lib/containers"
	defaultConfigDir   = "/etc/extactor/config"
	defaultStateDir    = "/var/lib/extactor"
	defaultRunDir      = "/run/extactor"
	defaultCgroup      = "/extactor"
)

// consoles are the values of --console, the default first.
var consoles = []string{"auto", "kmsg", "stderr", "off"}

// daemonOptions are the flags of `extactor daemon`.
type daemonOptions struct {
	services, rootfs, config, state, run string
	containerd, ociRuntime, console      string
}

func (a *app) daemonCommand() *cobra.Command {
	var options daemonOptions

	command := &cobra.Command{
		Use:   "daemon",
		Short: "Supervise the services of a directory",
		Long: "Supervise the services of a directory. SIGTERM stops them and then the daemon; a second one hurries. " +
			"SIGUSR1 ends the daemon only: the next one takes over what runs.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains(consoles, options.console) {
				return usageError{fmt.Errorf("--console %q is not known; it is auto, kmsg, stderr or off", options.console)}
			}

			return a.runDaemon(command.Context(), options)
		},
	}

	flags := command.Flags()
	flags.StringVar(&options.services, "services", defaultServicesDir, "directory of service files (*.yaml)")
	flags.StringVar(&options.rootfs, "rootfs", defaultRootfsDir, "directory of root file systems: one for each service, by its name")
	flags.StringVar(&options.config, "config", defaultConfigDir, "directory of ExtensionServiceConfig documents")
	flags.StringVar(&options.state, "state", defaultStateDir, "directory of the journal; it may appear later")
	flags.StringVar(&options.run, "run", defaultRunDir, "directory of sockets, logs and containers; its content must not outlive a boot")
	flags.StringVar(&options.containerd, "containerd", "auto", "auto, embedded, or the socket of a containerd")
	flags.StringVar(&options.ociRuntime, "oci-runtime", "runc", "runc, crun, auto, or the path of another")
	flags.StringVar(&options.console, "console", consoles[0], "where events and lines of services with logToConsole are shown: auto, kmsg, stderr, off")

	return command
}
