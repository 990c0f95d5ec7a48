package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/extactor/extactor/spec"
)

// outputLimit is how much of what a check prints or answers is kept, in bytes: the end of it.
const outputLimit = 4 << 10

// When a container ends, the kernel kills what else runs in it, before anybody learns of the end itself. The context of
// the check ends with that: until then, a command that was killed says nothing of the health.
const (
	killed        = 128 + 9 // exit code
	containerEnds = time.Second
)

// Exec runs a command in the container and writes what it prints to output, which never blocks or fails and may be used
// by several goroutines. It returns when the command has ended, or soon after the context has: what still runs then must
// be killed.
type Exec func(ctx context.Context, command []string, output io.Writer) (exitCode int, err error)

// Check makes one health check, which takes no longer than its timeout (5 s where none is given), provided that exec
// keeps its promise. It returns what a healthy task says of itself, in one line; or else an error that says why it is not
// healthy, equally short. exec is needed for checks of kind Exec only.
func Check(ctx context.Context, health spec.Health, exec Exec) (message string, err error) {
	timeout := health.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}

	checking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	switch {
	case len(health.Exec) > 0:
		message, err = checkExec(checking, health.Exec, exec)
	case health.HTTP != "":
		message, err = checkHTTP(checking, health.HTTP)
	case health.TCP != "":
		message, err = health.TCP+" accepts", cause(connect(checking, "tcp", health.TCP))
	case health.Socket != "":
		message, err = fmt.Sprintf("%q accepts", health.Socket), cause(connectUnix(checking, health.Socket))
	default:
		err = errors.New("the health check has none of exec, http, tcp and socket")
	}

	if err == nil {
		return oneLine(message), nil
	}

	// What was running at the timeout failed because of it, unless it had answered before.
	if _, answered := errors.AsType[statusError](err); !answered && checking.Err() != nil && ctx.Err() == nil {
		return "", fmt.Errorf("no answer within %s", timeout)
	}

	return "", errors.New(oneLine(err.Error()))
}

func checkExec(ctx context.Context, command []string, exec Exec) (message string, err error) {
	if exec == nil {
		return "", errors.New("commands cannot be run here")
	}

	var output tail

	code, err := exec(ctx, command, &output)
	line := output.lastLine()

	if err == nil && code == killed {
		pause(ctx, containerEnds)
	}

	switch {
	case err != nil:
		return "", fmt.Errorf("cannot run %q: %w", command[0], err)
	case ctx.Err() != nil:
		return "", ctx.Err()
	case code == 0:
		return line, nil
	case line == "":
		return "", fmt.Errorf("exit code %d", code)
	default:
		return "", fmt.Errorf("exit code %d: %s", code, line)
	}
}

// tail is a writer that keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

// Write implements io.Writer. It never fails.
func (t *tail) Write(written []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	end := written[max(0, len(written)-outputLimit):]
	t.kept = append(t.kept[max(0, len(t.kept)+len(end)-outputLimit):], end...)

	return len(written), nil
}

// lastLine returns the last line that is not blank.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()

	text := strings.TrimSpace(string(t.kept))

	return strings.TrimSpace(text[strings.LastIndexAny(text, "\n\r")+1:])
}
