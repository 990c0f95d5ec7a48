package main

import (
	"github.com/spf13/cobra"

	"github.com/extactor/extactor/spec"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a service file, for editors",
		Long: "Print the JSON Schema of a service file, for editors. With the YAML language server, begin a file with\n" +
			"  # yaml-language-server: $schema=extactor.schema.json",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(spec.JSONSchema())

			return err
		},
	}
}
