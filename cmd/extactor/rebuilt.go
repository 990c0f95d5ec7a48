package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// rebuilds start services again whose program was built anew, as their author would do it in another terminal.
type rebuilds struct {
	app    *app // asks the private daemon
	ready  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	open   sync.WaitGroup
}

func newRebuilds(a *app, socket string) *rebuilds {
	ctx, cancel := context.WithCancel(context.Background())
	asking := *a
	asking.socket, asking.remote = socket, remoteFlags{}

	return &rebuilds{app: &asking, ready: make(chan struct{}), ctx: ctx, cancel: cancel}
}

// built has a service run its new program; it does not block.
func (r *rebuilds) built(id string) {
	r.open.Go(func() {
		select {
		case <-r.ready:
		case <-r.ctx.Done():
			return
		}

		if err := r.restart(id); err != nil && r.ctx.Err() == nil {
			fmt.Fprintf(r.app.stderr, "extactor: the program of %s was built anew, but it is not restarted: %v\n", id, err)
		}
	})
}

func (r *rebuilds) restart(id string) error {
	response, err := r.app.status(r.ctx, []string{id})
	if err != nil {
		return err
	}

	for _, service := range response.GetServices() {
		if !runsProgram(service) {
			continue
		}

		fmt.Fprintf(r.app.stderr, "extactor: the program of %s was built anew: restarting it\n", id)

		if err := r.app.ask(func(client *api.Client) error {
			_, err := client.Extactor.Restart(r.ctx, &apiv1.ServiceRequest{Id: id})

			return err
		}); err != nil {
			return err
		}
	}

	return nil
}

// runsProgram tells whether a new program makes a difference now: not for a service that somebody stopped, nor for one
// that has yet to start, which will start the new one.
func runsProgram(service *apiv1.Service) bool {
	if service.GetDesired() == events.DesiredStopped {
		return false
	}

	switch service.GetState() {
	case events.StatePreparing, events.StateRunning, events.StateFinished, events.StateFailed:
		return true
	case events.StateWaiting:
		return service.GetNextRetry() != nil
	default:
		return false
	}
}

// close ends what is under way.
func (r *rebuilds) close() {
	r.cancel()
	r.open.Wait()
}
