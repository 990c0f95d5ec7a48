package main

import (
	"fmt"
	"net"
	"path/filepath"
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
	defaultCredentials = "/etc/extactor/credentials" // #nosec G101 -- a directory
)

// consoles are the values of --console, the default first.
var consoles = []string{"auto", "kmsg", "stderr", "off"}

// The words that other flags take, the default first. Where a path is expected too, it must be absolute.
var (
	containerds = []string{"auto", "embedded"}
	ociRuntimes = []string{"runc", "crun", "auto"}
	syncs       = []string{"interval", syncAlways}
)

const syncAlways = "always"

// check finds values that no daemon can be started with.
func (o daemonOptions) check() error {
	switch {
	case !slices.Contains(consoles, o.console):
		return fmt.Errorf("--console %q is not known; it is auto, kmsg, stderr or off", o.console)
	case !slices.Contains(containerds, o.containerd) && !filepath.IsAbs(o.containerd):
		return fmt.Errorf("--containerd %q is not known; it is auto, embedded, or the absolute path of a socket", o.containerd)
	case !slices.Contains(ociRuntimes, o.ociRuntime) && !filepath.IsAbs(o.ociRuntime):
		return fmt.Errorf("--oci-runtime %q is not known; it is auto, runc, crun, or an absolute path", o.ociRuntime)
	case !slices.Contains(syncs, o.sync):
		return fmt.Errorf("--sync %q is not known; it is interval or always", o.sync)
	case o.stateMount != "" && !filepath.IsAbs(o.stateMount):
		return fmt.Errorf("--state-mount %q is not an absolute path", o.stateMount)
	}

	return checkListen(o.listen)
}

// checkListen finds addresses that cannot be listened on: each by itself, and two of them that have a port in common.
func checkListen(addresses []string) error {
	type place struct {
		host string // empty: every address
		port int
	}

	places := make([]place, 0, len(addresses))

	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port == "" {
			return fmt.Errorf("--listen %q is not ADDRESS:PORT, :PORT or [IPV6]:PORT", address)
		}

		number, err := net.LookupPort("tcp", port)
		if err != nil {
			return fmt.Errorf("--listen %q: %q is not a port; it is a number from 1 to 65535", address, port)
		}

		if literal := net.ParseIP(host); literal.IsUnspecified() {
			host = ""
		} else if literal != nil {
			host = literal.String()
		}

		for at, before := range places {
			if number == 0 || before.port != number { // 0 is one of the kernel's choice
				continue
			}

			switch {
			case before.host == host:
				return fmt.Errorf("--listen %q and --listen %q are the same", addresses[at], address)
			case before.host == "":
				return overlap(addresses[at], address, number)
			case host == "":
				return overlap(address, addresses[at], number)
			}
		}

		places = append(places, place{host, number})
	}

	return nil
}

func overlap(all, one string, port int) error {
	return fmt.Errorf("--listen %q and --listen %q overlap: the first is port %d of every address, and so of the second too", all, one, port)
}

// daemonOptions are the flags of `extactor daemon`.
type daemonOptions struct {
	services, rootfs, config, state, run string
	containerd, ociRuntime, console      string
	stateMount, sync, credentials        string
	listen                               []string
}

func (a *app) daemonCommand() *cobra.Command {
	var options daemonOptions

	command := &cobra.Command{
		Use:   "daemon",
		Short: "Supervise the services of a directory",
		Long: "Supervise the services of a directory. SIGTERM stops them and then the daemon; a second one hurries. " +
			"SIGUSR1 ends the daemon only: the next one takes over what runs. SIGHUP has it read all files anew.",
		Example: "  extactor daemon\n" +
			"  extactor daemon --services s --rootfs r --config c --state /tmp/x/state --run /tmp/x/run\n" +
			"  extactor daemon --listen :50000",
		SuggestFor: []string{"serve", "server"},
		Args:       cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := options.check(); err != nil {
				return usageError{err}
			}

			return a.runDaemon(command.Context(), options)
		},
	}

	flags := command.Flags()
	flags.StringVar(&options.services, "services", defaultServicesDir, "directory of service files (*.yaml)")
	flags.StringVar(&options.rootfs, "rootfs", defaultRootfsDir, "directory of root file systems: one for each service, by its name")
	flags.StringVar(&options.config, "config", defaultConfigDir, "directory of ExtensionServiceConfig documents")
	flags.StringVar(&options.state, "state", defaultStateDir, "directory of the journal; it may appear later")
	flags.StringVar(&options.stateMount, "state-mount", "", "use the state directory only while this directory is a mount point")
	flags.StringVar(&options.sync, "sync", syncs[0], "when the journal is synced to disk: interval (every 200 ms), or always (after every record)")
	flags.StringVar(&options.run, "run", defaultRunDir, "directory of sockets, logs and containers; its content must not outlive a boot")
	flags.StringVar(&options.containerd, "containerd", "auto", "auto, embedded, or the socket of a containerd")
	flags.StringVar(&options.ociRuntime, "oci-runtime", "auto", "auto, runc, crun, or the path of another")
	flags.StringVar(&options.console, "console", consoles[0], "where events and lines of services with logToConsole are shown: auto, kmsg, stderr, off")

	flags.StringArrayVar(&options.listen, "listen", nil, "serve the network at ADDRESS:PORT, or :PORT for all addresses, over mutual TLS; may be repeated")
	flags.StringVar(&options.credentials, "credentials", defaultCredentials, "directory of the keys and certificates for --listen")

	complete(command, "listen", cobra.ShellCompDirectiveNoFileComp)
	complete(command, "console", cobra.ShellCompDirectiveNoFileComp, consoles...)
	complete(command, "containerd", cobra.ShellCompDirectiveDefault, containerds...)
	complete(command, "oci-runtime", cobra.ShellCompDirectiveDefault, ociRuntimes...)
	complete(command, "sync", cobra.ShellCompDirectiveNoFileComp, syncs...)

	return command
}
