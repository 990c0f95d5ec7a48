package oci

import (
	"context"
	"io"

	"github.com/containerd/containerd/api/services/tasks/v1"
)

// copyStreams moves the bytes between FIFOs and the caller's streams.
func (c *command) copyStreams(ctx context.Context) {
	output := func(to io.Writer, from io.Reader) {
		if to == nil {
			to = io.Discard
		}

		c.copies.Go(func() {
			_, _ = io.Copy(to, from)
			_, _ = io.Copy(io.Discard, from) // a writer that fails must not hold up the command
		})
	}

	output(c.request.Stdout, c.streams.Stdout)

	if !c.request.Terminal {
		output(c.request.Stderr, c.streams.Stderr)
	}

	if c.request.Stdin != nil {
		go c.copyInput(ctx)
	}
}

// copyInput ends with the caller's reader, or at the first write after the process has ended.
func (c *command) copyInput(ctx context.Context) {
	_, _ = io.Copy(c.streams.Stdin, c.request.Stdin)

	// The end of input would hang up a terminal.
	if c.request.Terminal {
		return
	}

	_ = c.streams.Stdin.Close()

	// The shim holds the FIFO open too.
	_, _ = c.runtime.client.TaskService().CloseIO(ctx, &tasks.CloseIORequest{ContainerID: c.id, ExecID: c.execID, Stdin: true})
}

// resize hands on the sizes of the terminal until the context ends.
func (c *command) resize(ctx context.Context) {
	for {
		select {
		case size, more := <-c.request.Resize:
			if !more {
				return
			}

			_, _ = c.runtime.client.TaskService().ResizePty(ctx, &tasks.ResizePtyRequest{
				ContainerID: c.id, ExecID: c.execID, Width: size.Columns, Height: size.Rows,
			})
		case <-ctx.Done():
			return
		}
	}
}

// awaitOutput returns when all that was printed has been handed on.
func (c *command) awaitOutput(ctx context.Context) error {
	done := make(chan struct{})

	go func() {
		defer close(done)

		c.copies.Wait()
	}()

	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
