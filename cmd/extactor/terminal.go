package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// terminal is that of the person at the keyboard. The methods of nil do nothing.
type terminal struct{ file *os.File }

// openTerminal returns the terminal that both streams are, or nil.
func openTerminal(stdin io.Reader, stdout io.Writer, interactive bool) *terminal {
	in, isFile := stdin.(*os.File)
	out, toFile := stdout.(*os.File)

	if !interactive || !isFile || !toFile || !term.IsTerminal(in.Fd()) || !term.IsTerminal(out.Fd()) {
		return nil
	}

	return &terminal{file: in}
}

// terminalKind is the variable that tells programs what the terminal can do.
func terminalKind() []string {
	if kind := os.Getenv("TERM"); kind != "" {
		return []string{"TERM=" + kind}
	}

	return nil
}

func (t *terminal) size() *apiv1.TerminalSize {
	if t == nil {
		return nil
	}

	columns, rows, err := term.GetSize(t.file.Fd())
	if err != nil {
		return nil
	}

	return &apiv1.TerminalSize{Columns: uint32(columns), Rows: uint32(rows)}
}

// raw hands every key on to the command. The returned function undoes that, once.
func (t *terminal) raw() (restore func(), err error) {
	if t == nil {
		return func() {}, nil
	}

	state, err := term.MakeRaw(t.file.Fd())
	if err != nil {
		return nil, fmt.Errorf("cannot use the terminal: %w", err)
	}

	return sync.OnceFunc(func() { _ = term.Restore(t.file.Fd(), state) }), nil
}

// follow tells the command when the window changes its size, until stop is called.
func (t *terminal) follow(input *execInput) (stop func()) {
	if t == nil {
		return func() {}
	}

	changes, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(changes, unix.SIGWINCH)

	go func() {
		for {
			select {
			case <-changes:
				if size := t.size(); size != nil {
					_ = input.say(&apiv1.ExecInput{Kind: &apiv1.ExecInput_Resize{Resize: size}})
				}
			case <-ended:
				return
			}
		}
	}()

	return func() {
		signal.Stop(changes)
		close(ended)
	}
}
