package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// running is a server with one service that runs, at its third attempt.
func running(t *testing.T) *harness {
	t.Helper()

	beta := view("ext-beta", events.StateRunning, 1)
	beta.Attempt = 3

	return start(t, newServices(beta, view("ext-idle", events.StateFinished, 2)), newJournal())
}

type execClient = apiv1.Extactor_ExecClient

func (h *harness) begin(t *testing.T, ctx context.Context, start *apiv1.ExecStart) execClient {
	t.Helper()

	stream := must[execClient](t)(h.Extactor.Exec(ctx))
	say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_Start{Start: start}})

	return stream
}

func say(t *testing.T, stream execClient, input *apiv1.ExecInput) {
	t.Helper()

	if err := stream.Send(input); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, stream execClient, want string) {
	t.Helper()

	output, err := stream.Recv()
	if err != nil {
		t.Fatalf("error %v, not %s", err, want)
	}

	got := ""

	switch kind := output.GetKind().(type) {
	case *apiv1.ExecOutput_Stdout:
		got = "stdout " + string(kind.Stdout)
	case *apiv1.ExecOutput_Stderr:
		got = "stderr " + string(kind.Stderr)
	case *apiv1.ExecOutput_Exit:
		got = fmt.Sprintf("exit %d %s", kind.Exit.GetCode(), kind.Exit.GetProblem())
	}

	if got != want {
		t.Fatalf("%q, not %q", got, want)
	}
}

func TestExecMovesBytes(t *testing.T) {
	h := running(t)
	h.host.exec = func(_ context.Context, request ExecRequest) (int, error) {
		equal(t, "request", []any{request.ID, request.Attempt, request.Args, request.Env, request.Cwd, request.Terminal},
			[]any{"ext-beta", uint64(3), []string{"sh", "-c", "x"}, []string{"A=1"}, "/tmp", true})

		first := <-request.Resize
		fmt.Fprintf(request.Stdout, "%dx%d", first.Columns, first.Rows)

		second := <-request.Resize
		fmt.Fprintf(request.Stderr, "%dx%d", second.Columns, second.Rows)

		input, err := io.ReadAll(request.Stdin)
		fmt.Fprintf(request.Stdout, "%s %v", input, err)

		return 3, nil
	}

	stream := h.begin(t, t.Context(), &apiv1.ExecStart{
		Id: "beta", Args: []string{"sh", "-c", "x"}, Env: []string{"A=1"}, Cwd: "/tmp", Terminal: true, Stdin: true,
		Size: &apiv1.TerminalSize{Columns: 80, Rows: 24},
	})
	hear(t, stream, "stdout 80x24")
	say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_Resize{Resize: &apiv1.TerminalSize{Columns: 100, Rows: 30}}})
	hear(t, stream, "stderr 100x30")

	for _, part := range []string{"one ", "two"} {
		say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_Stdin{Stdin: []byte(part)}})
	}

	say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_StdinEnd{StdinEnd: true}})
	hear(t, stream, "stdout one two <nil>")
	hear(t, stream, "exit 3 ")

	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the exit: %v", err)
	}
}

// A command that is not asked for input gets none, and input for it holds up nothing.
func TestExecWithoutInput(t *testing.T) {
	h := running(t)
	h.host.exec = func(_ context.Context, request ExecRequest) (int, error) {
		size := <-request.Resize
		fmt.Fprintf(request.Stdout, "%v %d", request.Stdin, size.Columns)

		return 0, nil
	}

	stream := h.begin(t, t.Context(), &apiv1.ExecStart{Id: "beta", Args: []string{"x"}})
	say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_Stdin{Stdin: []byte("unread")}})
	say(t, stream, &apiv1.ExecInput{Kind: &apiv1.ExecInput_Resize{Resize: &apiv1.TerminalSize{Columns: 7}}})
	hear(t, stream, "stdout <nil> 7")
	hear(t, stream, "exit 0 ")
}

func TestExecProblems(t *testing.T) {
	h := running(t)
	h.host.exec = func(context.Context, ExecRequest) (int, error) { return 127, errors.New("not found") }

	hear(t, h.begin(t, t.Context(), &apiv1.ExecStart{Id: "beta", Args: []string{"x"}}), "exit 127 not found")

	h.host.exec = func(context.Context, ExecRequest) (int, error) { return -1, errors.New("no containerd") }

	for _, row := range []struct {
		start   *apiv1.ExecStart
		code    codes.Code
		message string
	}{
		{&apiv1.ExecStart{Id: "beta", Args: []string{"x"}}, codes.FailedPrecondition, "no containerd"},
		{&apiv1.ExecStart{Id: "beta"}, codes.InvalidArgument, "no command is given"},
		{&apiv1.ExecStart{Id: "idle", Args: []string{"x"}}, codes.FailedPrecondition, `cannot run a command in "ext-idle": it is Finished, not Running`},
		{&apiv1.ExecStart{Id: "none", Args: []string{"x"}}, codes.NotFound, `service "none" is not known; known services: ext-beta, ext-idle`},
	} {
		_, err := h.begin(t, t.Context(), row.start).Recv()
		if status.Code(err) != row.code || status.Convert(err).Message() != row.message {
			t.Errorf("%v: %v", row.start, err)
		}
	}
}

// A command ends with whoever asked for it, and with the daemon.
func TestExecEndsWithItsCaller(t *testing.T) {
	h := running(t)
	ended := make(chan error)
	h.host.exec = func(ctx context.Context, request ExecRequest) (int, error) {
		fmt.Fprint(request.Stdout, "ready")

		_, err := request.Stdin.Read(make([]byte, 1)) // which nobody ends but the call
		<-ctx.Done()
		ended <- err

		return -1, ctx.Err()
	}
	start := &apiv1.ExecStart{Id: "beta", Args: []string{"x"}, Stdin: true}

	ctx, cancel := context.WithCancel(t.Context())
	hear(t, h.begin(t, ctx, start), "stdout ready")
	cancel()

	if err := <-ended; err == nil {
		t.Error("the input goes on")
	}

	stream := h.begin(t, t.Context(), start)
	hear(t, stream, "stdout ready")

	go func() { _ = h.stop() }()

	if err := <-ended; err == nil {
		t.Error("the input goes on")
	}

	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the client hears %v", err)
	}
}
