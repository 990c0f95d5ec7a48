package actorstest

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// insider is what a runtime can do inside of a running task.
type insider interface {
	Exec(ctx context.Context, task service.Task, request service.ExecRequest) (exitCode int, err error)
	UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error
}

func (s *suite) insider() insider {
	s.Helper()

	inside, ok := s.runtime.(insider)
	if !ok {
		s.Fatalf("%T has not Exec and UpdateConfig", s.runtime)
	}

	return inside
}

func (s *suite) exec() {
	program := s.Service("host", "print", "ready", "serve")
	task, _ := s.start(1, program)
	s.awaitOutput(task.ID, "ready")

	var output bytes.Buffer

	command := func(words ...string) service.ExecRequest {
		return service.ExecRequest{Args: append([]string{program.Container.Entrypoint}, words...), Stdout: &output}
	}

	for _, want := range []int{0, 3} {
		output.Reset()

		code, err := s.insider().Exec(s.ctx, task, command("print", "done", "exit", string(rune('0'+want))))
		if code != want || err != nil || output.String() != "done\n" {
			s.Errorf("code %d, want %d: %v, %q", code, want, err, output.String())
		}
	}

	ctx, cancel := context.WithCancelCause(s.ctx)
	ended := make(chan error, 1)

	go func() {
		_, err := s.insider().Exec(ctx, task, service.ExecRequest{Args: []string{program.Container.Entrypoint, "stubborn"}})
		ended <- err
	}()

	// A command under way must not keep other calls for the same task waiting.
	s.must(s.runtime.Signal(s.ctx, task, "SIGCONT"))
	cancel(errors.New("no longer wanted"))

	if err := <-ended; err == nil || !strings.Contains(err.Error(), "no longer wanted") || !strings.Contains(err.Error(), task.ID) {
		s.Errorf("a command that is no longer wanted: %v", err)
	}

	refused := func(what string, gone service.Task) {
		if _, err := s.insider().Exec(s.ctx, gone, command("exit", "0")); err == nil || !strings.Contains(err.Error(), "not running") {
			s.Errorf("%s: %v", what, err)
		}
	}

	refused("another attempt", service.Task{ID: task.ID, Attempt: 2})
	s.must(s.runtime.Delete(s.ctx, task))
	refused("after Delete", task)
}

func (s *suite) updateConfig() {
	config := func(paths ...string) *spec.Config {
		document := new(spec.Config)
		for _, path := range paths {
			document.Files = append(document.Files, spec.ConfigFile{MountPath: path, Content: "content"})
		}

		return document
	}

	request := s.request(1, s.Service("configured", "serve"))
	request.Config = config("/etc/a", "/etc/b")
	s.must(s.runtime.Prepare(s.ctx, request))

	_, err := s.runtime.Start(s.ctx, request)
	s.must(err)

	task := service.Task{ID: request.ID, Attempt: 1}
	s.must(s.insider().UpdateConfig(s.ctx, task, config("/etc/b", "/etc/a")))

	for _, changed := range []*spec.Config{config("/etc/a"), config("/etc/a", "/etc/b", "/etc/c"), config("/etc/a", "/etc/c"), nil} {
		if err := s.insider().UpdateConfig(s.ctx, task, changed); !errors.Is(err, service.ErrRestartNeeded) {
			s.Errorf("%v: %v", changed, err)
		}
	}

	s.must(s.insider().UpdateConfig(s.ctx, service.Task{ID: task.ID, Attempt: 2}, nil))
	s.must(s.runtime.Delete(s.ctx, task))
	s.must(s.insider().UpdateConfig(s.ctx, task, nil))
}
