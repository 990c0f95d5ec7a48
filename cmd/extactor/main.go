// Command extactor runs Talos-style extension services on any Linux: the daemon that supervises them, and the commands
// which talk to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// version is set when the program is linked.
var version = "unknown"

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // with one line on stderr
	exitUsage  = 2
)

// socketVariable names the environment variable that --socket defaults to.
const socketVariable = "EXTACTOR_SOCKET"

// app is what the commands share: where they write, and which daemon they ask.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	socket         string
	remote         remoteFlags    // which daemons on the network are asked instead
	node           string         // what stands under NODE
	several        bool           // it stands for one of several nodes
	clock          func() clock   // of this machine
	paint          func() palette // colours, where stdout is a terminal
}

func main() {
	os.Exit(newApp().run(context.Background(), os.Args[1:]))
}

func newApp() *app {
	node, err := os.Hostname()
	if err != nil {
		node = "localhost"
	}

	return &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, node: node, clock: localClock, paint: terminalPalette}
}

// run executes one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	begun := false
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentPreRunE = func(command *cobra.Command, _ []string) error {
		begun = true

		return onlyHere(command)
	}

	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}

	var (
		usage usageError
		ended ending
	)

	if errors.As(err, &ended) {
		return ended.code()
	}

	if !begun || errors.As(err, &usage) {
		fmt.Fprintf(a.stderr, "extactor: %s; see: %s --help\n", usageText(command, err), command.CommandPath())

		return exitUsage
	}

	if !errors.Is(err, errSilent) {
		fmt.Fprintf(a.stderr, "extactor: %v\n", err)
	}

	return exitFailed
}

// usageText words a mistake in the command line. For a mistyped command it names the one that was most likely meant.
func usageText(command *cobra.Command, err error) string {
	var name, path string
	if _, mismatch := fmt.Sscanf(err.Error(), `unknown command %q for %q`, &name, &path); mismatch != nil {
		return argumentsText(command, err)
	}

	if !command.HasAvailableSubCommands() { // it is no command that is unknown, but one argument too many
		return fmt.Sprintf("%q is one argument too many; usage: %s", name, strings.TrimSuffix(command.UseLine(), " [flags]"))
	}

	text := fmt.Sprintf("unknown command %q", name)
	if meant := likely(command, name); meant != "" {
		text += fmt.Sprintf(", did you mean %q?", meant)
	}

	return text
}

// argumentsText says how a command is called where cobra only counts its arguments.
func argumentsText(command *cobra.Command, err error) string {
	counts := []string{"accepts ", "requires at least "}
	if slices.ContainsFunc(counts, func(begin string) bool { return strings.HasPrefix(err.Error(), begin) }) {
		return "usage: " + strings.TrimSuffix(command.UseLine(), " [flags]")
	}

	if before, _, found := strings.Cut(err.Error(), ": strconv.ParseBool"); found {
		return before + ": it is true or false"
	}

	if before, _, found := strings.Cut(err.Error(), ": time: "); found {
		return before + ": it is a number with a unit, such as 30s or 1m30s"
	}

	if before, _, found := strings.Cut(err.Error(), ": strconv."); found {
		return before + ": it is not a number, or too large a one"
	}

	return err.Error()
}

// usageError is a mistake in the command line that only the command itself can see.
type usageError struct{ error }

// errSilent ends a command that has said what is wrong already.
var errSilent = errors.New("failed")

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "extactor",
		Short: "Run Talos-style extension services on any Linux",
		Long: "Run Talos-style extension services on any Linux: a daemon, and the commands that ask it.\n\n" +
			"The service of the file with \"name: hello-world\" is ext-hello-world; commands take either.",
		Example: "  extactor run ./my-extension       # try services while you write them, as root\n" +
			"  extactor daemon                   # supervise those of " + defaultServicesDir + "\n" +
			"  extactor status                   # how they are\n" +
			"  extactor explain hello-world      # why one is not up",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,

		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },

		DisableSuggestions: true, // usageText makes them, on the one line

		TraverseChildren: true, // what says whom to ask may stand before the command, as with talosctl
	}
	a.addDaemonFlags(root)

	a.addGroups(root,
		group{"services", "How services are, and what they do:", []*cobra.Command{
			a.statusCommand(), a.dashboardCommand(), a.explainCommand(), a.logsCommand(), a.eventsCommand(), a.graphCommand(),
			a.serviceCommand(), a.waitCommand(), a.killCommand(), a.execCommand(), a.configCommand(), a.reloadCommand(),
		}},
		group{"files", "Write a service:", []*cobra.Command{a.runCommand(), a.validateCommand(), a.schemaCommand(), a.ociCommand()}},
		group{"past", "The past:", []*cobra.Command{a.replayCommand(), a.plotCommand(), a.reportCommand(), a.journalCommand()}},
		group{"daemon", "The daemon:", []*cobra.Command{
			a.daemonCommand(), a.infoCommand(), a.credentialsCommand(), a.versionCommand(), a.completionCommand(), a.containerdCommand(), a.logdCommand(),
		}},
	)

	return root
}

// asks makes a command one that asks the daemon of this machine, or others.
func (a *app) asks(command *cobra.Command) *cobra.Command {
	a.addDaemonFlags(command)

	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := a.place(command); err != nil {
			return err
		}

		return run(command, args)
	}

	return command
}
