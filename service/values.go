package service

import (
	"errors"
	"io"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Values that cross the port to the container runtime.
type (
	// Exit is how a task ended.
	Exit = events.Exit
	// Observed is what the container runtime shows for one service.
	Observed = events.Observed
)

// StartRequest is all that the container runtime needs to make and start one container.
type StartRequest struct {
	ID      string        // container id and service id: "ext-hello-world"
	Attempt uint64        // label of the container; the runtime refuses to touch another attempt's
	BootID  string        // label of the container
	Hash    string        // label of the container: spec hash
	Spec    *spec.Service // the file as it is now
	Config  *spec.Config  // its configuration; nil where there is none
}

// Task names one attempt's container in calls to the runtime.
type Task struct {
	ID      string
	Attempt uint64
}

// Started tells about a task that was started.
type Started struct {
	PID       uint32
	Container string
	Rootfs    string // identity of the root file system; another text at the next start says that it was replaced
}

// ErrRestartNeeded says that a change cannot reach the running task: only its next start will see it.
var ErrRestartNeeded = errors.New("a restart is needed")

// ErrOutputLost says that a task was removed whose shim had died with some of its output.
var ErrOutputLost = errors.New("some of the last output is lost, because the shim was killed")

// ExecRequest is a command to run in the container of a running task, beside what runs there.
type ExecRequest struct {
	Args     []string // the command and its arguments; never empty
	Env      []string // NAME=value, added to the environment of the container's own process; wins over it
	Cwd      string   // in the container; empty: where the container's own process began
	Terminal bool     // give it a terminal; what it prints then all goes to Stdout

	Stdin  io.Reader // nil: it reads nothing. A Read under way when the command ends is not interrupted
	Stdout io.Writer // nil: dropped
	Stderr io.Writer // nil: dropped; not the same value as Stdout unless that may be written to concurrently

	Resize <-chan WindowSize // sizes of the terminal, the first as soon as possible; nil: it stays as it is
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct {
	Columns, Rows uint32
}
