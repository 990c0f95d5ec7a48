//go:build linux

// Command containerd-shim-extactor-v2 is containerd's own shim for runc, cut down to the task service, with two things
// added: it holds the service's log FIFO open from before the task is made until it is deleted, and it writes down how
// the task ended before it tells anybody. There is one process of it per running service, so it stays small.
package main

import (
	"context"

	"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/manager"
	"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/task"
	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/containerd/v2/pkg/shutdown"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
)

func main() {
	registry.Register(&plugin.Registration{
		Type:     plugins.TTRPCPlugin,
		ID:       "task",
		Requires: []plugin.Type{plugins.EventPlugin, plugins.InternalPlugin},
		InitFn:   newTaskService,
	})

	shim.RunShim(context.Background(), manager.NewShimManager("io.extactor.v2"))
}

func newTaskService(ic *plugin.InitContext) (any, error) {
	publisher, err := ic.GetByID(plugins.EventPlugin, "publisher")
	if err != nil {
		return nil, err
	}

	stopper, err := ic.GetByID(plugins.InternalPlugin, "shutdown")
	if err != nil {
		return nil, err
	}

	recorder := &recorder{Publisher: publisher.(shim.Publisher)}

	inner, err := task.NewTaskService(ic.Context, recorder, stopper.(shutdown.Service))
	if err != nil {
		return nil, err
	}

	return &taskService{TTRPCTaskService: inner, recorder: recorder}, nil
}
