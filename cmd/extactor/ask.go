package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

const (
	// patience is how long a daemon may take for an answer that needs no waiting.
	patience = 10 * time.Second

	// together is how long the answers of several nodes are waited for, so that they are shown in order: what is late is
	// shown when it comes.
	together = 500 * time.Millisecond
)

// ask connects to the daemon, calls, and words what went wrong for people.
func (a *app) ask(call func(client *api.Client) error) error {
	target, err := a.target()
	if err != nil {
		return err
	}

	a.node = target.node

	return target.ask(call)
}

func (t target) ask(call func(client *api.Client) error) error {
	client, err := t.dial()
	if err != nil {
		return err
	}
	defer client.Close()

	return client.Explain(call(client))
}

// eachNode asks every daemon that is meant, all at the same time, and shows the answers one after the other: in the order
// in which the nodes are named, but nobody waits long for one that does not answer. What a node fails with is told under
// its name. Where there is one daemon only, it is as if that had been asked alone. ask and show are called with an app
// that stands for the node.
func eachNode[T any](a *app, ask func(node *app, client *api.Client) (T, error), show func(node *app, answer T) error) error {
	targets, err := a.targets()
	if err != nil {
		return err
	}

	return eachOf(a, targets, ask, show)
}

// eachOf is eachNode for these daemons.
func eachOf[T any](a *app, targets []target, ask func(node *app, client *api.Client) (T, error), show func(node *app, answer T) error) error {
	type result struct {
		at     int
		node   *app
		answer T
		err    error
	}

	answered := make(chan result, len(targets))

	for at, target := range targets {
		node := *a
		node.node, node.several = target.node, a.several || len(targets) > 1

		go func() {
			given := result{at: at, node: &node}
			given.err = target.ask(func(client *api.Client) (err error) {
				given.answer, err = ask(&node, client)

				return err
			})
			answered <- given
		}()
	}

	var (
		failed error
		late   = time.After(together)
		inTime = true
		waits  = make([]*result, len(targets)) // to be shown
		shown  = make([]bool, len(targets))
	)

	for slices.Contains(shown, false) {
		select {
		case given := <-answered:
			waits[given.at] = &given
		case <-late:
			inTime = false
		}

		for at, given := range waits {
			if given == nil && !shown[at] && inTime {
				break
			}

			if given == nil {
				continue
			}

			if given.err == nil {
				given.err = show(given.node, given.answer)
			}

			failed = cmp.Or(given.node.failed(given.err), failed)
			waits[at], shown[at] = nil, true
		}
	}

	return failed
}

// failed is what the command fails with where a node has failed. Of one of several nodes it is told at once.
func (a *app) failed(err error) error {
	if err == nil || !a.several {
		return err
	}

	if !errors.Is(err, errSilent) {
		fmt.Fprintf(a.stderr, "extactor: %s: %v\n", a.node, err)
	}

	return errSilent
}

// clockOf takes the clocks of a daemon on the network for those that ages are counted by.
func (a *app) clockOf(now *apiv1.Moment) {
	if now == nil || !a.remote.set() {
		return
	}

	begun := time.Now()
	a.clock = func() clock {
		since := time.Since(begun).Nanoseconds()

		return clock{wallNS: now.GetWallNs() + since, bootNS: now.GetBootNs() + since, bootID: now.GetBootId()}
	}
}

// status asks for the services with these ids, all for none.
func (a *app) status(ctx context.Context, ids []string) (response *apiv1.StatusResponse, err error) {
	err = a.ask(func(client *api.Client) error {
		response, err = a.askStatus(ctx, client, ids)

		return err
	})

	return response, err
}

func (a *app) askStatus(ctx context.Context, client *api.Client, ids []string) (*apiv1.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	response, err := client.Extactor.Status(ctx, &apiv1.StatusRequest{Ids: ids})
	a.clockOf(response.GetNow())

	return response, err
}

// completeIDs completes the ids of services, at most so many of them and each once, by asking the daemon.
func (a *app) completeIDs(most int) cobra.CompletionFunc {
	return func(command *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		response, err := a.status(command.Context(), nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var ids []cobra.Completion
		for _, service := range response.GetServices() {
			if !slices.Contains(args, service.GetId()) {
				ids = append(ids, cobra.CompletionWithDesc(service.GetId(), service.GetState()))
			}
		}

		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// onNode refuses what works on files of the daemon's machine where that is another one.
func (a *app) onNode() error {
	if !a.remote.set() {
		return nil
	}

	return errors.New("this reads the files of the journal, which are on the node itself: run it there")
}
