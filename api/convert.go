package api

import (
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/types/known/timestamppb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// clocks converts moments as seen at one instant.
type clocks struct {
	now    *events.Instant
	bootID string
}

func (s *Server) clocks() clocks { return clocks{now: s.options.Now(), bootID: s.options.BootID} }

// moment leaves both clocks as they were recorded: who shows it computes the age. A zero moment is absent.
func moment(at events.Moment, bootID string) *apiv1.Moment {
	if at == (events.Moment{}) {
		return nil
	}

	return &apiv1.Moment{WallNs: at.WallNS, BootNs: at.BootNS, BootId: bootID}
}

func instant(at *events.Instant, bootID string) *apiv1.Moment {
	return moment(events.Moment{WallNS: at.GetWallNs(), BootNS: at.GetBootNs()}, bootID)
}

// wall is the moment on today's wall clock, for clients that know no other: within this boot it is reckoned from the
// boot clock, because the wall clock may have jumped since.
func (c clocks) wall(at events.Moment, bootID string) time.Time {
	if bootID == c.bootID && bootID != "" {
		return time.Unix(0, c.now.GetWallNs()-(c.now.GetBootNs()-at.BootNS))
	}

	return time.Unix(0, at.WallNS)
}

// nextRetry completes a deadline on the boot clock by when that will be on the wall clock.
func (c clocks) nextRetry(bootNS int64, bootID string) *apiv1.Moment {
	if bootNS == 0 {
		return nil
	}

	wall := c.now.GetWallNs() + bootNS - c.now.GetBootNs()

	return &apiv1.Moment{WallNs: wall, BootNs: bootNS, BootId: bootID}
}

func (c clocks) service(view events.View) *apiv1.Service {
	service := &apiv1.Service{
		Id: view.ID, Desired: view.Desired, State: view.State, Attempt: view.Attempt, Restarts: view.Restarts, Pid: view.PID,
		Health:    &apiv1.Health{Unknown: view.Health.Unknown, Healthy: view.Health.Healthy, LastMessage: view.Health.LastMessage},
		Since:     moment(view.Since, view.SinceBootID),
		NextRetry: c.nextRetry(view.NextRetry, view.BootID),
		Problem:   view.Problem, Revision: view.Revision, Source: view.Source,
		Cycle: view.Cycle, RestartPending: view.RestartPending(), FileProblem: view.FileProblem,
		Up: view.Up(), Completed: view.Completed(),
	}

	for _, condition := range view.Waiting() {
		service.WaitingFor = append(service.WaitingFor, &apiv1.Dependency{
			Key: condition.Key, Text: condition.Text, Since: moment(condition.Since, view.BootID), Known: condition.Known,
		})
	}

	for _, condition := range view.Conditions {
		service.Dependencies = append(service.Dependencies, &apiv1.Dependency{
			Key: condition.Key, Text: condition.Text, Since: moment(condition.Since, view.BootID), Known: condition.Known, Met: condition.Met,
		})
	}

	if exit := view.LastExit; exit != nil {
		service.LastExit = &apiv1.Exit{Known: exit.GetKnown(), Code: exit.GetCode(), Signal: exit.GetSignal(), Oom: exit.GetOom()}
	}

	for _, line := range view.Recent {
		service.Events = append(service.Events, &apiv1.ServiceEvent{
			Seq: line.Seq, State: line.State, Message: line.Message, At: moment(line.At, line.BootID),
		})
	}

	return service
}

// serviceInfo is the service as Talos words it. Its client needs health and events to be there, whatever they say.
func (c clocks) serviceInfo(view events.View) *machine.ServiceInfo {
	info := &machine.ServiceInfo{
		Id: view.ID, State: view.State,
		Events: &machine.ServiceEvents{Events: make([]*machine.ServiceEvent, 0, len(view.Recent))},
		Health: &machine.ServiceHealth{Unknown: view.Health.Unknown, Healthy: view.Health.Healthy, LastMessage: view.Health.LastMessage},
	}

	for _, line := range view.Recent {
		info.Events.Events = append(info.Events.Events, &machine.ServiceEvent{
			Msg: line.Message, State: line.State, Ts: timestamppb.New(c.wall(line.At, line.BootID)),
		})
	}

	info.Health.LastChange = timestamppb.New(c.wall(view.Since, view.SinceBootID))

	return info
}

func eventRecord(record events.Record) *apiv1.EventRecord {
	converted := &apiv1.EventRecord{
		Seq: record.Seq, Service: record.Service, Attempt: record.Attempt, Kind: record.Kind, State: record.State,
		At:      moment(events.Moment{WallNS: record.WallNS, BootNS: record.BootNS}, record.BootID),
		Message: record.Message, Cause: record.Cause, Decision: record.Decision,
	}

	if by := record.Origin; by != nil {
		converted.Origin = &apiv1.Origin{Uid: by.GetUid(), Pid: by.GetPid(), Via: by.GetVia(), Remote: by.GetRemote()}
	}

	return converted
}
