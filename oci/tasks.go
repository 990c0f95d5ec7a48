package oci

import (
	"cmp"
	"context"
	"slices"
)

// Task is a container that has a task, as containerd shows it.
type Task struct {
	ID     string
	PID    uint32
	Status string // CREATED, RUNNING, STOPPED, PAUSED, PAUSING or UNKNOWN
}

// Tasks lists the containers of this instance that have a task, whatever has become of it, sorted by id. It changes nothing.
func (r *Runtime) Tasks(ctx context.Context) ([]Task, error) {
	ours, processes, err := r.list(r.namespaced(ctx))
	if err != nil {
		return nil, err
	}

	var tasks []Task

	for _, container := range ours {
		if process := processes[container.ID]; process != nil {
			tasks = append(tasks, Task{ID: container.ID, PID: process.Pid, Status: process.Status.String()})
		}
	}

	slices.SortFunc(tasks, func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })

	return tasks, nil
}
