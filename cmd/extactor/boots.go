package main

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// boot is what the journal has of one boot.
type boot struct {
	id      string
	records []events.Record // oldest first
	now     int64           // CLOCK_BOOTTIME at which it was asked; 0 for a boot that is over
}

// boot asks the daemon for the events of a boot: 0 is this one, -1 the one before.
func (a *app) boot(ctx context.Context, number int) (found boot, err error) {
	err = a.ask(func(client *api.Client) error {
		asking, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		status, err := client.Extactor.Status(asking, &apiv1.StatusRequest{})
		if err != nil {
			return err
		}

		current := status.GetNow().GetBootId()
		request := &apiv1.EventsRequest{Facts: true}

		if number == 0 {
			request.BootId = current
		}

		stream, err := client.Extactor.Events(ctx, request)
		if err != nil {
			return err
		}

		boots := &boots{most: 1 - number}
		if err := receive(stream.Recv, boots.add); err != nil {
			return err
		}

		if found, err = boots.pick(number); err == nil && found.id == current {
			found.now = status.GetNow().GetBootNs()
		}

		return err
	})

	return found, err
}

// boots keeps the newest boots of a journal while it is read.
type boots struct {
	most int
	kept []boot // oldest first
}

func (b *boots) add(record *apiv1.EventRecord) error {
	converted, err := recordOf(record)
	if err != nil {
		return err
	}

	at := slices.IndexFunc(b.kept, func(boot boot) bool { return boot.id == converted.BootID })
	if at < 0 {
		b.kept = append(b.kept, boot{id: converted.BootID})
		if len(b.kept) > b.most {
			b.kept = slices.Delete(b.kept, 0, 1)
		}

		at = len(b.kept) - 1
	}

	b.kept[at].records = append(b.kept[at].records, converted)

	return nil
}

func (b *boots) pick(number int) (boot, error) {
	index := len(b.kept) - 1 + number
	if index >= 0 {
		return b.kept[index], nil
	}

	if len(b.kept) == 0 {
		return boot{}, fmt.Errorf("cannot read boot %d: nothing of it is in the journal", number)
	}

	return boot{}, fmt.Errorf("cannot read boot %d: the oldest boot in the journal is %d", number, 1-len(b.kept))
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
