package oci

import (
	"sync"

	"github.com/extactor/extactor/service"
)

// asked are the tasks that somebody wanted to end while there was no containerd: nobody waits until it is back only to
// know their exit codes. The zero value is ready.
type asked struct {
	mu    sync.Mutex
	tasks map[service.Task]chan struct{} // closed once it was asked for
}

// of returns a channel that is closed once the end of the task was asked for.
func (a *asked) of(task service.Task) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.channel(task)
}

func (a *asked) add(task service.Task) {
	a.mu.Lock()
	defer a.mu.Unlock()

	channel := a.channel(task)

	select {
	case <-channel:
	default:
		close(channel)
	}
}

// forget is for when containerd is back.
func (a *asked) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()

	clear(a.tasks)
}

// channel must be called with the lock held.
func (a *asked) channel(task service.Task) chan struct{} {
	if a.tasks == nil {
		a.tasks = make(map[service.Task]chan struct{})
	}

	if a.tasks[task] == nil {
		a.tasks[task] = make(chan struct{})
	}

	return a.tasks[task]
}
