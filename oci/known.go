package oci

import (
	"sync"

	"github.com/containerd/containerd/v2/core/containers"

	"github.com/extactor/extactor/service"
)

// known are the containers whose tasks are, or were, of interest: what a task printed last is told also while containerd is
// away, or has just begun to load what it finds, and deletes the tasks that ended meanwhile with all that belongs to them.
// The zero value is ready.
type known struct {
	mu         sync.Mutex
	containers map[string]*containers.Container // by id, the latest attempt
}

// add remembers a container until its task is deleted, or there is a later one.
func (k *known) add(container *containers.Container) {
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.containers == nil {
		k.containers = make(map[string]*containers.Container)
	}

	if earlier := k.containers[container.ID]; earlier == nil || number(*earlier, labelAttempt) <= number(*container, labelAttempt) {
		k.containers[container.ID] = container
	}
}

// of returns the container of exactly this attempt, nil where it is not known.
func (k *known) of(task service.Task) *containers.Container {
	k.mu.Lock()
	defer k.mu.Unlock()

	container := k.containers[task.ID]
	if container == nil || number(*container, labelAttempt) != task.Attempt {
		return nil
	}

	return container
}

func (k *known) forget(task service.Task) {
	k.mu.Lock()
	defer k.mu.Unlock()

	if container := k.containers[task.ID]; container != nil && number(*container, labelAttempt) == task.Attempt {
		delete(k.containers, task.ID)
	}
}
