package service

import (
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
	Spec    *spec.Service // the file as it was loaded
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
}
