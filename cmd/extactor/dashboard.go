package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/cmd/extactor/dashboard"
)

func (a *app) dashboardCommand() *cobra.Command {
	return a.asks(&cobra.Command{
		Use:        "dashboard",
		SuggestFor: []string{"top"},
		Short:      "Watch and control services on one screen",
		Long: "Watch and control services on one screen: how they are, what they take of the host, what happened to the " +
			"selected one and what it printed. Press ? for the keys. It waits for a daemon that goes away.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if openTerminal(a.stdin, a.stdout, true) == nil {
				return errors.New("the dashboard needs a terminal; without one there is: extactor status --watch")
			}

			target, err := a.target()
			if err != nil {
				return err
			}

			// What is wrong with a connection to another machine seldom mends by itself; and its clocks are needed.
			if a.remote.set() {
				if _, err := a.status(command.Context(), nil); err != nil {
					return err
				}
			}

			client, err := target.dial()

			switch {
			case err == nil:
				client.Close()
			case !errors.Is(err, api.ErrNoDaemon): // that one is waited for
				return err
			}

			return dashboard.Run(command.Context(), dashboard.Options{
				Where: target.where, Dial: target.dial, Node: target.node, ASCII: !unicodeLocale(),
				Clock: func() dashboard.Clock {
					now := a.clock()

					return dashboard.Clock{WallNS: now.wallNS, BootNS: now.bootNS, BootID: now.bootID}
				},
				Input: a.stdin, Output: a.stdout,
			})
		},
	})
}

// unicodeLocale tells whether the terminal shows more than ASCII, by the variables that say so.
func unicodeLocale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(os.Getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}

	return false
}
