package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"

	"github.com/extactor/extactor/api"
)

// Options say which daemon is shown, and where. All must be set.
type Options struct {
	Where string                      // the socket or the address of the daemon
	Dial  func() (*api.Client, error) // connects to it
	Node  string                      // name of its host
	Clock func() Clock                // of this host
	ASCII bool                        // draw lines and arrows with ASCII only

	Input  io.Reader // the terminal
	Output io.Writer // the terminal
}

// Clock is one instant on both clocks of this host.
type Clock struct {
	WallNS, BootNS int64  // nanoseconds since 1970, and since the kernel started
	BootID         string // kernel boot id
}

// framesPerSecond is how often the terminal is drawn at most.
const framesPerSecond = 30

// Run shows the dashboard until somebody quits or the context ends. A daemon that goes away, or is not there yet, is no
// error: it is waited for.
func Run(ctx context.Context, options Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	feed := newDaemonFeed(options.Where, options.Dial)
	program := tea.NewProgram(newModel(options, feed),
		tea.WithContext(ctx), tea.WithInput(options.Input), tea.WithOutput(options.Output), tea.WithFPS(framesPerSecond))
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		feed.run(ctx, program.Send)
	}()

	_, err := program.Run()

	cancel()
	<-ended

	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return fmt.Errorf("cannot show the dashboard: %w", err)
	}

	return nil
}
