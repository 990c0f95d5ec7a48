// Command hello-world is the smallest useful extension service: it says hello, shows that it is alive, and ends when it
// is asked to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interval is the time between two lines.
const interval = 5 * time.Second

func main() {
	// The first process of a container has no default action for SIGTERM: without a handler the signal would be ignored.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "hello-world:", err)
		os.Exit(1)
	}
}

// run prints the message, and then a line every few seconds until the context ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("hello-world", flag.ContinueOnError)
	message := flags.String("msg", "Hello, world", "the `TEXT` to print at the start")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, *message); err != nil {
		return err
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for started := time.Now(); ; {
		select {
		case <-ctx.Done():
			_, err := fmt.Fprintln(out, "asked to stop, goodbye")
			return err
		case now := <-ticker.C:
			if _, err := fmt.Fprintf(out, "still here after %s\n", now.Sub(started).Round(time.Second)); err != nil {
				return err
			}
		}
	}
}
