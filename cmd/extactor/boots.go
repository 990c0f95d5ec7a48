package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/picture"
)

// boot asks the daemon for the course of a boot: by its id, or 0 for the newest, -1 for the one before; empty for this one.
func (a *app) boot(ctx context.Context, name string) (found picture.Boot, err error) {
	err = a.ask(func(client *api.Client) error {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		status, err := client.Extactor.Status(asking, &apiv1.StatusRequest{})
		if err != nil {
			return err
		}

		request := &apiv1.EventsRequest{Facts: true, Boot: name}
		if name == "" {
			request.BootId = status.GetNow().GetBootId()
		}

		stream, err := client.Extactor.Events(ctx, request)
		if err != nil {
			return err
		}

		var (
			id     string
			course *picture.Course
		)

		if err := receive(stream.Recv, func(record *apiv1.EventRecord) error {
			if course == nil {
				id = record.GetAt().GetBootId()
				course = picture.NewCourse(id)
				a.warnOfDeleted(ctx, client, record.GetSeq())
			}

			converted, err := recordOf(record)
			if err == nil {
				course.Add(converted)
			}

			return err
		}); err != nil {
			return err
		}

		if course == nil {
			return errors.New("cannot draw the boot: nothing of it is in the journal")
		}

		now := int64(0) // it is over
		if current := status.GetNow(); current.GetBootId() == id {
			now = current.GetBootNs()
		}

		found = course.End(now)

		return nil
	})

	return found, err
}

// recordOf is the record as the journal has it.
func recordOf(record *apiv1.EventRecord) (events.Record, error) {
	converted := events.Record{
		Seq: record.GetSeq(), BootID: record.GetAt().GetBootId(), WallNS: record.GetAt().GetWallNs(), BootNS: record.GetAt().GetBootNs(),
		Service: record.GetService(), Attempt: record.GetAttempt(), Kind: record.GetKind(), State: record.GetState(), Message: record.GetMessage(),
		Cause: record.GetCause(), Decision: record.GetDecision(),
	}

	if by := record.GetOrigin(); by != nil {
		converted.Origin = &events.Origin{Uid: by.GetUid(), Pid: by.GetPid(), Via: by.GetVia(), Remote: by.GetRemote()}
	}

	if content := record.GetEvent(); len(content) > 0 {
		converted.Event = &events.Event{}
		if err := proto.Unmarshal(content, converted.Event); err != nil {
			return events.Record{}, fmt.Errorf("cannot read event %d: %w", record.GetSeq(), err)
		}
	}

	return converted, nil
}

// viewOf is the service as its view has it, as far as a status tells.
func viewOf(service *apiv1.Service) events.View {
	view := events.NewView(service.GetId())
	view.State, view.Desired, view.Problem, view.Source = service.GetState(), service.GetDesired(), service.GetProblem(), service.GetSource()
	view.Health = events.Health{
		Unknown: service.GetHealth().GetUnknown(), Healthy: service.GetHealth().GetHealthy(), LastMessage: service.GetHealth().GetLastMessage(),
	}
	view.NextRetry, view.Cycle, view.Revision = service.GetNextRetry().GetBootNs(), service.GetCycle(), service.GetRevision()

	for _, dependency := range service.GetDependencies() {
		view.Conditions = append(view.Conditions, events.ConditionView{
			Key: dependency.GetKey(), Known: dependency.GetKnown(), Met: dependency.GetMet(), Text: dependency.GetText(),
			Since: events.Moment{WallNS: dependency.GetSince().GetWallNs(), BootNS: dependency.GetSince().GetBootNs()},
		})
	}

	return view
}
