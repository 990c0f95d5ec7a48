package api

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

type execStream = grpc.BidiStreamingServer[apiv1.ExecInput, apiv1.ExecOutput]

// Exec implements extactor.v1.
func (e *extactorService) Exec(stream execStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}

	start := first.GetStart()
	if start == nil || len(start.GetArgs()) == 0 {
		return status.Error(codes.InvalidArgument, "no command is given")
	}

	view, err := e.server.view(start.GetId())
	if err != nil {
		return err
	}

	if view.State != events.StateRunning {
		return status.Errorf(codes.FailedPrecondition, "cannot run a command in %q: it is %s, not Running", view.ID, view.State)
	}

	return e.server.exec(stream, view, start)
}

// exec runs the command until it ends, or until the client or the daemon goes away.
func (s *Server) exec(stream execStream, view events.View, start *apiv1.ExecStart) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()

	input := newExecInput(start.GetSize())
	context.AfterFunc(ctx, input.close)

	go input.receive(stream, cancel)

	output := &execOutput{stream: stream}
	request := ExecRequest{
		ID: view.ID, Attempt: view.Attempt, Args: start.GetArgs(), Env: start.GetEnv(), Cwd: start.GetCwd(),
		Terminal: start.GetTerminal(), Resize: input.sizes,
		Stdout: execWriter{output, func(data []byte) *apiv1.ExecOutput {
			return &apiv1.ExecOutput{Kind: &apiv1.ExecOutput_Stdout{Stdout: data}}
		}},
		Stderr: execWriter{output, func(data []byte) *apiv1.ExecOutput {
			return &apiv1.ExecOutput{Kind: &apiv1.ExecOutput_Stderr{Stderr: data}}
		}},
	}

	if start.GetStdin() {
		request.Stdin = input.stdin
	} else {
		input.stdin.Close()
	}

	code, err := s.options.Commands.Exec(ctx, request)
	if err != nil && code < 0 {
		return failure(codes.FailedPrecondition, err)
	}

	exit := &apiv1.ExecExit{Code: int32(code)}
	if err != nil {
		exit.Problem = err.Error()
	}

	return output.send(&apiv1.ExecOutput{Kind: &apiv1.ExecOutput_Exit{Exit: exit}})
}

// execInput is what a client sends after the start.
type execInput struct {
	stdin *io.PipeReader
	feed  *io.PipeWriter
	sizes chan WindowSize // the newest one only, so that nobody waits for a command that does not care
}

func newExecInput(size *apiv1.TerminalSize) *execInput {
	input := &execInput{sizes: make(chan WindowSize, 1)}
	input.stdin, input.feed = io.Pipe()

	if size != nil {
		input.resize(size)
	}

	return input
}

// receive hands on what arrives, until the stream ends. A client that goes away ends the command.
func (i *execInput) receive(stream execStream, gone func()) {
	for {
		message, err := stream.Recv()

		switch {
		case errors.Is(err, io.EOF):
			i.feed.Close()

			return
		case err != nil:
			gone()
			i.feed.CloseWithError(err)

			return
		}

		switch kind := message.GetKind().(type) {
		case *apiv1.ExecInput_Stdin:
			_, _ = i.feed.Write(kind.Stdin) // a command that reads no more is no reason to hang up
		case *apiv1.ExecInput_StdinEnd:
			i.feed.Close()
		case *apiv1.ExecInput_Resize:
			i.resize(kind.Resize)
		}
	}
}

// resize is called by one goroutine at a time.
func (i *execInput) resize(size *apiv1.TerminalSize) {
	select {
	case <-i.sizes:
	default:
	}

	i.sizes <- WindowSize{Columns: size.GetColumns(), Rows: size.GetRows()}
}

// close lets go of whoever still reads or feeds.
func (i *execInput) close() {
	i.stdin.Close()
	i.feed.Close()
}

// execOutput sends what two streams print, one message at a time.
type execOutput struct {
	mutex  sync.Mutex
	stream execStream
}

func (o *execOutput) send(message *apiv1.ExecOutput) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	return o.stream.Send(message)
}

// execWriter is one of the two.
type execWriter struct {
	output *execOutput
	wrap   func([]byte) *apiv1.ExecOutput
}

// Write implements io.Writer. gRPC has encoded the bytes when send returns.
func (w execWriter) Write(data []byte) (int, error) {
	if err := w.output.send(w.wrap(data)); err != nil {
		return 0, err
	}

	return len(data), nil
}
