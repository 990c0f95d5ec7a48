package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// ending ends the program without a word, with a code of its own.
type ending interface {
	error
	code() int
}

// commandEnded is the ending of a command that was run, whose code is ours too.
type commandEnded int

// Error implements error.
func (c commandEnded) Error() string { return fmt.Sprintf("the command ended with code %d", int(c)) }

func (c commandEnded) code() int { return int(c) }

func (a *app) execCommand() *cobra.Command {
	var (
		start = &apiv1.ExecStart{}
		asked bool // -t was given
	)

	command := &cobra.Command{
		Use:   "exec ID -- COMMAND [ARG...]",
		Short: "Run a command in the container of a running service",
		Long: "Run a command in the container of a running service, with its environment and its rights. " +
			"It ends with the command's exit code: 127 where the command does not exist, 126 where it cannot be executed, " +
			"128 and the signal's number where a signal ended it. On a terminal the command gets a terminal. " +
			"A signal that ends this program kills the command.",
		Example: "  extactor exec hello-world -- /bin/sh\n" +
			"  extactor exec hello-world -- /bin/tar c /data >data.tar",
		SuggestFor: []string{"shell", "enter", "attach"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("a service and a command are needed: exec ID -- COMMAND")
			}

			return nil
		},
		ValidArgsFunction: a.completeIDs(1),
		PreRun:            func(command *cobra.Command, _ []string) { asked = command.Flags().Changed("tty") },
		RunE: func(command *cobra.Command, args []string) error {
			start.Id, start.Args = args[0], args[1:]

			terminal := openTerminal(a.stdin, a.stdout, start.GetStdin())
			if !asked {
				start.Terminal = terminal != nil
			}

			if start.GetTerminal() {
				start.Env = append(terminalKind(), start.GetEnv()...)
				start.Size = terminal.size()
			} else {
				terminal = nil
			}

			return a.ask(func(client *api.Client) error {
				return a.exec(command.Context(), client, start, terminal)
			})
		},
	}

	flags := command.Flags()
	flags.BoolVarP(&start.Stdin, "stdin", "i", true, "hand on standard input")
	flags.BoolVarP(&start.Terminal, "tty", "t", false, "give it a terminal; by default where standard input and output are one")
	flags.StringArrayVarP(&start.Env, "env", "e", nil, "set a variable of its environment, as NAME=value; may be repeated")
	flags.StringVarP(&start.Cwd, "workdir", "w", "", "directory in the container to run it in")

	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w; what belongs to the command stands behind --: exec ID -- COMMAND", err)
	})

	return a.asks(command)
}

// exec runs the command and moves bytes until it has ended. The terminal, where there is one, is as before afterwards.
func (a *app) exec(ctx context.Context, client *api.Client, start *apiv1.ExecStart, terminal *terminal) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()

	err := a.execStream(ctx, client, start, terminal)
	if interruption, ok := errors.AsType[interrupted](context.Cause(ctx)); ok && err != nil {
		return interruption // the daemon has killed the command for it
	}

	return err
}

// untilInterrupted returns a context that a signal ends, with the cause interrupted.
func untilInterrupted(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGHUP, unix.SIGINT)

	go func() {
		select {
		case received := <-asked:
			cancel(interrupted{received.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()

	return ctx, func() {
		signal.Stop(asked)
		cancel(nil)
	}
}

func (a *app) execStream(ctx context.Context, client *api.Client, start *apiv1.ExecStart, terminal *terminal) error {
	stream, err := client.Extactor.Exec(ctx)
	if err != nil {
		return err
	}

	input := &execInput{send: stream.Send}
	if err := input.say(&apiv1.ExecInput{Kind: &apiv1.ExecInput_Start{Start: start}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}

	restore, err := terminal.raw()
	if err != nil {
		return err
	}
	defer restore()

	defer terminal.follow(input)()

	if start.GetStdin() {
		go input.copy(a.stdin)
	}

	for {
		output, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the daemon does not say how the command ended")
		}

		if err != nil {
			return err
		}

		switch kind := output.GetKind().(type) {
		case *apiv1.ExecOutput_Stdout:
			_, err = a.stdout.Write(kind.Stdout)
		case *apiv1.ExecOutput_Stderr:
			_, err = a.stderr.Write(kind.Stderr)
		case *apiv1.ExecOutput_Exit:
			return a.execEnded(kind.Exit, restore)
		}

		if err != nil {
			return fmt.Errorf("cannot write what the command prints: %w", err)
		}
	}
}

func (a *app) execEnded(exit *apiv1.ExecExit, restore func()) error {
	if exit.GetProblem() != "" {
		restore() // for the line to begin where lines do
		fmt.Fprintf(a.stderr, "extactor: %s\n", oneLine(exit.GetProblem()))
	}

	if exit.GetCode() == 0 {
		return nil
	}

	return commandEnded(exit.GetCode())
}

// execInput sends what comes from several goroutines.
type execInput struct {
	mutex sync.Mutex
	send  func(*apiv1.ExecInput) error
}

func (i *execInput) say(message *apiv1.ExecInput) error {
	i.mutex.Lock()
	defer i.mutex.Unlock()

	return i.send(message)
}

// copy hands on standard input until it ends, or the call does.
func (i *execInput) copy(from io.Reader) {
	buffer := make([]byte, 32<<10)

	for {
		n, err := from.Read(buffer)
		if n > 0 && i.say(&apiv1.ExecInput{Kind: &apiv1.ExecInput_Stdin{Stdin: buffer[:n]}}) != nil {
			return
		}

		if err != nil {
			_ = i.say(&apiv1.ExecInput{Kind: &apiv1.ExecInput_StdinEnd{StdinEnd: true}})

			return
		}
	}
}
