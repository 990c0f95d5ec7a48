package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// goals are what `extactor wait` waits for: the words and the meaning of `until` in a service file, the default first.
var goals = []string{"up", "completed"}

func (a *app) waitCommand() *cobra.Command {
	var (
		until   string
		timeout time.Duration
	)

	command := &cobra.Command{
		Use:   "wait ID...",
		Short: "Wait until services are up, for scripts",
		Long: "Wait until services are up, all of them at once: each runs and, where it has a health check, is healthy. " +
			"With --until completed: until each has ended by itself, without error.\n\n" +
			"It ends with 0 when that is so. It ends with 1 and says why, without waiting any longer, where a service will not come there by itself " +
			"(it has failed, was skipped or stopped, or services wait for each other), and when the time is up. " +
			"An upgrade of the daemon does not end it.",
		Example: "  extactor wait storage && mount /mnt/data\n" +
			"  extactor wait storage network-agent --timeout 30s\n" +
			"  extactor wait setup --until completed",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeIDs(-1),
		RunE: func(command *cobra.Command, ids []string) error {
			if !slices.Contains(goals, until) {
				return usageError{fmt.Errorf("--until %q is not known; it is up or completed", until)}
			}

			if timeout < 0 {
				return usageError{fmt.Errorf("--timeout %s is not a time to wait for; 0 means for ever", timeout)}
			}

			return a.eachStream(func(node *app, client *api.Client) error {
				return node.waitFor(command.Context(), client, ids, until, timeout)
			})
		},
	}
	command.Flags().StringVar(&until, "until", goals[0], "up, or completed")
	command.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait, such as 30s; 0: for ever")
	complete(command, "until", cobra.ShellCompDirectiveNoFileComp, goals...)

	return a.asks(command)
}

// What ends the watch of a wait: all services are there, or the time is up.
var (
	errReached = errors.New("reached")
	errTimeout = errors.New("the daemon does not answer in time")
)

// waitFor watches services until all of them are where they should be, or one of them will not come there. Where the daemon
// ends meanwhile, it goes on with the next one.
func (a *app) waitFor(ctx context.Context, client *api.Client, ids []string, goal string, timeout time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	// Not a deadline of the call: the daemon would keep that too, and end the call before it is told here why.
	if timeout > 0 {
		defer time.AfterFunc(timeout, func() { cancel(errTimeout) }).Stop()
	}

	services := make(map[string]*apiv1.Service)
	look := func(changed *apiv1.StatusResponse) error {
		if removed := changed.GetRemoved(); len(removed) > 0 {
			return fmt.Errorf("%s is gone: its file was removed", removed[0])
		}

		for _, service := range changed.GetServices() {
			services[service.GetId()] = service

			if why := hopeless(service, goal); why != "" {
				return fmt.Errorf("%s will not be %s: %s; see: extactor explain %s", service.GetId(), goal, why, service.GetId())
			}
		}

		if len(lacking(services, goal)) > 0 {
			return nil
		}

		return errReached
	}

	err := watchOnce(ctx, client, ids, look)
	known := !a.remote.set()                                                                    // that there is a daemon: one on the network may never have been reached
	for (known || len(services) > 0) && (err == nil || status.Code(err) == codes.Unavailable) { // an upgrade, or a crash
		err = watchOnce(ctx, client, ids, look, grpc.WaitForReady(true))
	}

	of := "" // whom, where there are several
	if a.several {
		of = a.node + ": "
	}

	switch {
	case errors.Is(err, errReached):
		for _, id := range ordered(services) {
			fmt.Fprintf(a.stdout, "%s%s is %s\n", of, id, goal)
		}

		return nil
	case context.Cause(ctx) == errTimeout && len(services) > 0:
		return tooLate(services, goal, timeout)
	case context.Cause(ctx) == errTimeout:
		return errTimeout
	default:
		return err
	}
}

// watchOnce watches services until use returns an error, or the daemon ends. A daemon that does not begin to answer in time is
// an error too: it hangs, or there is none to follow the one that has ended.
func watchOnce(ctx context.Context, client *api.Client, ids []string, use func(*apiv1.StatusResponse) error, options ...grpc.CallOption) error {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()

	answers := time.AfterFunc(patience, cancel)
	defer answers.Stop()

	stream, err := client.Extactor.WatchStatus(watch, &apiv1.StatusRequest{Ids: ids}, options...)
	if err == nil {
		err = receive(stream.Recv, func(changed *apiv1.StatusResponse) error {
			answers.Stop()

			return use(changed)
		})
	}

	if watch.Err() != nil && ctx.Err() == nil {
		return errTimeout
	}

	return err
}

func reached(service *apiv1.Service, goal string) bool {
	if goal == goals[0] {
		return service.GetUp()
	}

	return service.GetCompleted()
}

// hopeless says why a service will not get there by itself, or nothing where it may.
func hopeless(service *apiv1.Service, goal string) string {
	stopped := service.GetDesired() == events.DesiredStopped

	switch state := service.GetState(); {
	case reached(service, goal):
		return ""
	case state == events.StateFailed:
		return "it has failed: " + oneLine(service.GetProblem())
	case state == events.StateSkipped:
		return "it was skipped: " + oneLine(service.GetProblem())
	case state == events.StateFinished && stopped:
		return "it was stopped by a person"
	case state == events.StateFinished && service.GetCompleted():
		return "it has finished, and is not started again"
	case state != events.StateRunning && len(service.GetCycle()) > 0:
		return "services wait for each other: " + strings.Join(service.GetCycle(), " -> ")
	default:
		return ""
	}
}

// lacking are the ids of the services that are not there yet.
func lacking(services map[string]*apiv1.Service, goal string) []string {
	return slices.DeleteFunc(ordered(services), func(id string) bool { return reached(services[id], goal) })
}

// tooLate says how those services are that are not there in time.
func tooLate(services map[string]*apiv1.Service, goal string, timeout time.Duration) error {
	late := lacking(services, goal)

	var how []string

	for _, id := range late {
		service := services[id]
		text := service.GetState()

		switch {
		case len(service.GetWaitingFor()) > 0:
			var awaited []string
			for _, dependency := range service.GetWaitingFor() {
				awaited = append(awaited, dependency.GetText())
			}

			text += " for " + strings.Join(awaited, ", ")
		case service.GetProblem() != "":
			text += ": " + oneLine(service.GetProblem())
		case service.GetState() == events.StateRunning && goal == goals[0]:
			text += ", not healthy"
		}

		how = append(how, fmt.Sprintf("%s (%s)", id, text))
	}

	return fmt.Errorf("after %s not %s: %s; see: extactor explain %s", timeout, goal, strings.Join(how, ", "), late[0])
}

func ordered(services map[string]*apiv1.Service) []string {
	ids := make([]string, 0, len(services))
	for id := range services {
		ids = append(ids, id)
	}

	slices.Sort(ids)

	return ids
}
