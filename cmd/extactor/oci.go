package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/oci"
)

func (a *app) ociCommand() *cobra.Command {
	var rootfs string

	command := &cobra.Command{
		Use:   "oci FILE|-",
		Short: "Print the OCI runtime spec of a service file, without a daemon",
		Example: "  extactor oci hello-world.yaml\n" +
			"  extactor oci hello-world.yaml | jq .mounts",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			service, problems := a.loadFile(args[0])
			for _, problem := range problems {
				fmt.Fprintln(a.stderr, problem)
			}

			if service == nil {
				return fmt.Errorf("cannot load %q; see above", args[0])
			}

			host, err := oci.ThisHost(rootfs, defaultCgroup)
			if err != nil {
				return err
			}

			generated, err := oci.Generate(service, host, a.environmentFile(service.Container.EnvironmentFile), nil)
			if err != nil {
				return err
			}

			return writeJSON(a.stdout, generated, "  ")
		},
	}
	command.Flags().StringVar(&rootfs, "rootfs", defaultRootfsDir, "directory of root file systems")

	return command
}

// environmentFile reads what the service would be given. It may well not be there on this machine: that is said, and the
// rest is printed.
func (a *app) environmentFile(path string) []string {
	if path == "" {
		return nil
	}

	environment, err := oci.ReadEnvironmentFile(path)
	if err != nil {
		fmt.Fprintf(a.stderr, "extactor: without what is in its environment file: %v\n", err)
	}

	return environment
}
