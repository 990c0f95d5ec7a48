package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// shells are those that completions are made for.
var shells = []cobra.Completion{"bash", "zsh", "fish"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what makes a shell complete commands, services and flags",
		Long: "Print what makes a shell complete commands, the services of the daemon, and flags. The package has it in place already; " +
			"otherwise put it where the shell looks, and open a new one. Bash needs the package bash-completion.",
		Example: "  source <(extactor completion bash)          # in this shell only\n" +
			"  extactor completion bash >/etc/bash_completion.d/extactor\n" +
			"  extactor completion zsh >\"${fpath[1]}/_extactor\"\n" +
			"  extactor completion fish >~/.config/fish/completions/extactor.fish",
		Args:                  cobra.ExactArgs(1),
		ValidArgs:             shells,
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, args []string) error {
			root, descriptions := command.Root(), true

			switch args[0] {
			case shells[0]:
				return root.GenBashCompletionV2(a.stdout, descriptions)
			case shells[1]:
				return root.GenZshCompletion(a.stdout)
			case shells[2]:
				return root.GenFishCompletion(a.stdout, descriptions)
			default:
				return usageError{fmt.Errorf("shell %q is not known; it is bash, zsh or fish", args[0])}
			}
		},
	}
}
