package daemon_test

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

type service = apiv1.Service

// background is a client command that goes on.
type background struct {
	h       *host
	command *exec.Cmd
	lines   *feed[string] // of its standard output
	ended   chan struct{}
}

func (h *host) background(words ...string) *background {
	h.t.Helper()

	b := &background{h: h, command: exec.Command(extactor, words...), lines: newFeed[string](), ended: make(chan struct{})}
	b.command.Env = append(os.Environ(), "EXTACTOR_SOCKET="+h.socket())

	stdout, err := b.command.StdoutPipe()
	must(h.t, err)
	must(h.t, b.command.Start())

	go func() {
		defer close(b.ended)
		defer b.lines.end()

		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			b.lines.add(lines.Text())
		}

		_ = b.command.Wait()
	}()

	h.t.Cleanup(func() {
		_ = b.command.Process.Kill()
		<-b.ended
	})

	return b
}

// interrupt ends it as Ctrl-C does.
func (b *background) interrupt() {
	b.h.t.Helper()
	must(b.h.t, b.command.Process.Signal(unix.SIGINT))
	await(b.h.t, "the end of an interrupted command", b.ended)
}

var agesPattern = regexp.MustCompile(age)

func agesGone(text string) string { return agesPattern.ReplaceAllString(text, "") }
