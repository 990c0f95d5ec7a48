package events

import "google.golang.org/protobuf/proto"

// Fact is the content of an event: one message of its oneof.
type Fact interface{ event() *Event }

// Order is the content of a command: one message of its oneof.
type Order interface{ command() *Command }

// New wraps a fact as an event.
func New(fact Fact) *Event { return fact.event() }

// NewCommand wraps an order as a command that was given at a moment by somebody.
func NewCommand(at *Instant, origin *Origin, order Order) *Command {
	command := order.command()
	command.At, command.Origin = at, origin

	return command
}

func (x *SpecLoaded) event() *Event          { return &Event{Kind: &Event_SpecLoaded{x}} }
func (x *DesiredChanged) event() *Event      { return &Event{Kind: &Event_DesiredChanged{x}} }
func (x *AttemptBegan) event() *Event        { return &Event{Kind: &Event_AttemptBegan{x}} }
func (x *ConditionChanged) event() *Event    { return &Event{Kind: &Event_ConditionChanged{x}} }
func (x *UnmetChanged) event() *Event        { return &Event{Kind: &Event_UnmetChanged{x}} }
func (x *PreparationStarted) event() *Event  { return &Event{Kind: &Event_PreparationStarted{x}} }
func (x *RunnerCreated) event() *Event       { return &Event{Kind: &Event_RunnerCreated{x}} }
func (x *TaskStarted) event() *Event         { return &Event{Kind: &Event_TaskStarted{x}} }
func (x *StartFailed) event() *Event         { return &Event{Kind: &Event_StartFailed{x}} }
func (x *TaskExited) event() *Event          { return &Event{Kind: &Event_TaskExited{x}} }
func (x *RestartScheduled) event() *Event    { return &Event{Kind: &Event_RestartScheduled{x}} }
func (x *BackoffElapsed) event() *Event      { return &Event{Kind: &Event_BackoffElapsed{x}} }
func (x *StopBegan) event() *Event           { return &Event{Kind: &Event_StopBegan{x}} }
func (x *SignalSent) event() *Event          { return &Event{Kind: &Event_SignalSent{x}} }
func (x *ServiceFinished) event() *Event     { return &Event{Kind: &Event_ServiceFinished{x}} }
func (x *ServiceFailed) event() *Event       { return &Event{Kind: &Event_ServiceFailed{x}} }
func (x *ServiceSkipped) event() *Event      { return &Event{Kind: &Event_ServiceSkipped{x}} }
func (x *TaskAdopted) event() *Event         { return &Event{Kind: &Event_TaskAdopted{x}} }
func (x *TaskLost) event() *Event            { return &Event{Kind: &Event_TaskLost{x}} }
func (x *TaskDiscarded) event() *Event       { return &Event{Kind: &Event_TaskDiscarded{x}} }
func (x *Snapshot) event() *Event            { return &Event{Kind: &Event_Snapshot{x}} }
func (x *Gap) event() *Event                 { return &Event{Kind: &Event_Gap{x}} }
func (x *DaemonStarted) event() *Event       { return &Event{Kind: &Event_DaemonStarted{x}} }
func (x *DaemonStopped) event() *Event       { return &Event{Kind: &Event_DaemonStopped{x}} }
func (x *RuntimeConnected) event() *Event    { return &Event{Kind: &Event_RuntimeConnected{x}} }
func (x *RuntimeDisconnected) event() *Event { return &Event{Kind: &Event_RuntimeDisconnected{x}} }
func (x *SpecRejected) event() *Event        { return &Event{Kind: &Event_SpecRejected{x}} }
func (x *ServiceQuarantined) event() *Event  { return &Event{Kind: &Event_ServiceQuarantined{x}} }
func (x *Recovered) event() *Event           { return &Event{Kind: &Event_Recovered{x}} }
func (x *SpecChanged) event() *Event         { return &Event{Kind: &Event_SpecChanged{x}} }
func (x *HealthChanged) event() *Event       { return &Event{Kind: &Event_HealthChanged{x}} }
func (x *ConfigDelivered) event() *Event     { return &Event{Kind: &Event_ConfigDelivered{x}} }
func (x *DependencyTimedOut) event() *Event  { return &Event{Kind: &Event_DependencyTimedOut{x}} }
func (x *CycleFound) event() *Event          { return &Event{Kind: &Event_CycleFound{x}} }
func (x *ServiceRemoved) event() *Event      { return &Event{Kind: &Event_ServiceRemoved{x}} }
func (x *HostChanged) event() *Event         { return &Event{Kind: &Event_HostChanged{x}} }
func (x *ConfigConfirmed) event() *Event     { return &Event{Kind: &Event_ConfigConfirmed{x}} }
func (x *JournalChanged) event() *Event      { return &Event{Kind: &Event_JournalChanged{x}} }
func (x *FilesRead) event() *Event           { return &Event{Kind: &Event_FilesRead{x}} }
func (x *ShutdownBegan) event() *Event       { return &Event{Kind: &Event_ShutdownBegan{x}} }
func (x *OutputLost) event() *Event          { return &Event{Kind: &Event_OutputLost{x}} }

func (x *RootfsReplaced) event() *Event { return &Event{Kind: &Event_RootfsReplaced{x}} }

func (x *LoadSpec) command() *Command          { return &Command{Kind: &Command_LoadSpec{x}} }
func (x *StartService) command() *Command      { return &Command{Kind: &Command_StartService{x}} }
func (x *StopService) command() *Command       { return &Command{Kind: &Command_StopService{x}} }
func (x *RestartService) command() *Command    { return &Command{Kind: &Command_RestartService{x}} }
func (x *SignalService) command() *Command     { return &Command{Kind: &Command_SignalService{x}} }
func (x *ShutdownService) command() *Command   { return &Command{Kind: &Command_ShutdownService{x}} }
func (x *ObserveCondition) command() *Command  { return &Command{Kind: &Command_ObserveCondition{x}} }
func (x *ElapseTimer) command() *Command       { return &Command{Kind: &Command_ElapseTimer{x}} }
func (x *ReportPrepared) command() *Command    { return &Command{Kind: &Command_ReportPrepared{x}} }
func (x *ReportStarted) command() *Command     { return &Command{Kind: &Command_ReportStarted{x}} }
func (x *ReportStartFailed) command() *Command { return &Command{Kind: &Command_ReportStartFailed{x}} }
func (x *ReportExited) command() *Command      { return &Command{Kind: &Command_ReportExited{x}} }
func (x *RecoverService) command() *Command    { return &Command{Kind: &Command_RecoverService{x}} }
func (x *ChangeSpec) command() *Command        { return &Command{Kind: &Command_ChangeSpec{x}} }
func (x *RemoveService) command() *Command     { return &Command{Kind: &Command_RemoveService{x}} }
func (x *ReportHealth) command() *Command      { return &Command{Kind: &Command_ReportHealth{x}} }
func (x *ReportConfigRefused) command() *Command {
	return &Command{Kind: &Command_ReportConfigRefused{x}}
}
func (x *ReportConfigDelivered) command() *Command {
	return &Command{Kind: &Command_ReportConfigDelivered{x}}
}
func (x *ReportOutputLost) command() *Command { return &Command{Kind: &Command_ReportOutputLost{x}} }

// KindName names the event as the journal does: the name of its message, "TaskStarted"; empty for a kind that this version
// does not know.
func (x *Event) KindName() string { return oneofName(x) }

// KindName names the command as the journal does: "command.StopService".
func (x *Command) KindName() string {
	if name := oneofName(x); name != "" {
		return "command." + name
	}

	return ""
}

func oneofName(message proto.Message) string {
	reflected := message.ProtoReflect()
	oneof := reflected.Descriptor().Oneofs().ByName("kind")

	field := reflected.WhichOneof(oneof)
	if field == nil {
		return ""
	}

	return string(field.Message().Name())
}
