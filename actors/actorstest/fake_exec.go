package actorstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

var errNotRunning = errors.New("it is not running")

// AnswerExec lets every command in the container of an id be answered by the function, in place of doing what its words
// say; nil lets the words count again. A negative code lets the command hang until it is killed.
func (f *FakeRuntime) AnswerExec(id string, answer func(service.ExecRequest) (code int)) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.answers[id] = answer
}

// Exec does what the arguments after the first say, in the words of Harness.Service.
func (f *FakeRuntime) Exec(ctx context.Context, task service.Task, request service.ExecRequest) (int, error) {
	call := Call{Method: "Exec", ID: task.ID, Attempt: task.Attempt, At: time.Now()}

	f.mu.Lock()
	f.calls = append(f.calls, call)
	found, lost, answer := f.find(task), f.lost, f.answers[task.ID]
	f.mu.Unlock()

	code, err := f.exec(ctx, call, found, lost, answer, request)
	if err != nil {
		return -1, fmt.Errorf("cannot run a command in %q: %w", task.ID, err)
	}

	return code, nil
}

func (f *FakeRuntime) exec(
	ctx context.Context, call Call, task *fakeTask, lost <-chan struct{}, answer func(service.ExecRequest) int, request service.ExecRequest,
) (int, error) {
	if err := f.pass(ctx, call); err != nil {
		return 0, err
	}

	if task == nil || ended(task) {
		return 0, errNotRunning
	}

	if len(request.Args) == 0 {
		return 0, errors.New("no command is given")
	}

	var code int

	if answer != nil {
		code = answer(request)
	} else {
		command := parseProgram(request.Args[1:])
		if request.Stdout != nil {
			_, _ = io.WriteString(request.Stdout, command.output)
		}

		code = int(command.code)
		if !command.ends {
			code = -1
		}
	}

	if code >= 0 {
		return code, nil
	}

	select {
	case <-task.ended:
		return 137, nil
	case <-lost:
		return 0, errDisconnected
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func ended(task *fakeTask) bool {
	select {
	case <-task.ended:
		return true
	default:
		return false
	}
}

// UpdateConfig replaces the configuration of a task, or says that a restart is needed.
func (f *FakeRuntime) UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error {
	leave, err := f.begin(ctx, Call{Method: "UpdateConfig", ID: task.ID, Attempt: task.Attempt})
	if err != nil {
		return err
	}
	defer leave()

	f.mu.Lock()
	defer f.mu.Unlock()

	found := f.find(task)
	if found == nil {
		return nil
	}

	if !slices.Equal(mountPaths(found.request.Config), mountPaths(config)) {
		return fmt.Errorf("cannot update the configuration of %q: %w", task.ID, service.ErrRestartNeeded)
	}

	found.request.Config = config

	return nil
}

// mountPaths lists the paths once each, in order of the alphabet.
func mountPaths(config *spec.Config) []string {
	if config == nil {
		return nil
	}

	var paths []string
	for _, file := range config.Files {
		paths = append(paths, file.MountPath)
	}

	slices.Sort(paths)

	return slices.Compact(paths)
}

// Config returns the configuration that the task of an id was given last; nil where it has none.
func (f *FakeRuntime) Config(id string) *spec.Config {
	f.mu.Lock()
	defer f.mu.Unlock()

	if task := f.tasks[id]; task != nil {
		return task.request.Config
	}

	return nil
}
