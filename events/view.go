package events

import "slices"

// RecentLines is how many lines of EVENTS a view keeps, as many as Talos does.
const RecentLines = 64

// View is what people see of one service: the fold of its records. It is a value; Apply returns a new one and shares
// nothing that it changes, so a published view can be read without a lock.
type View struct {
	ID           string
	State        string
	Since        Moment // when State was entered
	SinceBootID  string // the boot in which that was; Since.BootNS counts within it
	Desired      string // "started" or "stopped": what a person wants
	Attempt      uint64
	Restarts     uint64 // starts that the restart policy made, in this boot
	PID          uint32 // of the task; 0 where none runs
	Container    string
	NextRetry    int64 // CLOCK_BOOTTIME of the next try, nanoseconds; 0 where none is scheduled
	Conditions   []ConditionView
	LastExit     *Exit
	Problem      string // why the last attempt failed; empty once one runs
	Quarantined  bool   // this run of the daemon can do no more than stop it
	FileProblem  string // why its changed file is not used; empty where the file is right
	Health       Health
	HealthCheck  bool       // its file has one: it is up only while that says so
	FinishedBy   StopReason // what ended it, where it is Finished; unspecified: it ended by itself, without error
	LogToConsole bool
	Source       string // the service file
	BootID       string
	Cycle        []string // ids that wait for each other, the first one again at the end; empty where there is none
	Applied      string   // TaskHash of what runs
	Wanted       string   // TaskHash of what should run
	Recent       []Line   // oldest first, at most RecentLines
	Revision     uint64   // sequence of the last record in the view
}

// Moment is a record's time on both clocks; BootNS counts within BootID only.
type Moment struct {
	WallNS int64
	BootNS int64
}

// ConditionView is one dependency as it was last reported.
type ConditionView struct {
	Key   string
	Known bool // it was reported at least once since the daemon started
	Met   bool
	Text  string // what stands behind "Waiting for"
	Since Moment // when Met last changed
}

// Health is what a health check says; Unknown without one.
type Health struct {
	Unknown     bool
	Healthy     bool
	LastMessage string
}

// Line is one line of EVENTS.
type Line struct {
	Seq     uint64
	State   string
	Message string
	At      Moment
	BootID  string
}

// The values of View.Desired.
const (
	DesiredStarted = "started"
	DesiredStopped = "stopped"
)

// NewView returns the view of a service of which nothing is recorded.
func NewView(id string) View {
	return View{ID: id, State: StateInitialized, Desired: DesiredStarted, Health: Health{Unknown: true}}
}

// RestartPending tells whether the task runs with an older configuration than it has now.
func (v View) RestartPending() bool {
	return v.State == StateRunning && v.Applied != "" && v.Applied != v.Wanted
}

// Up tells whether those that depend on the service may start: it runs and, where it has a health check, is healthy.
func (v View) Up() bool {
	return v.State == StateRunning && (v.Health.Healthy || v.Health.Unknown && !v.HealthCheck)
}

// Completed tells whether the service has ended by itself and without error.
func (v View) Completed() bool {
	return v.State == StateFinished && v.FinishedBy == StopReason_STOP_REASON_UNSPECIFIED
}

// Waiting lists the dependencies that hold the service up now, in the order of "Waiting for".
func (v View) Waiting() []ConditionView {
	if v.State != StateWaiting || v.NextRetry != 0 {
		return nil
	}

	var waiting []ConditionView

	for _, condition := range v.Conditions {
		if !condition.Met {
			waiting = append(waiting, condition)
		}
	}

	return waiting
}

// Apply folds one record into the view. Records of other services and of unknown kinds change at most the revision,
// the state and the lines.
func (v View) Apply(record Record) View {
	v.Revision = record.Seq
	at := Moment{WallNS: record.WallNS, BootNS: record.BootNS}

	if record.Event != nil {
		v = v.fold(record.Event, at)
	}

	if record.State != "" && record.State != v.State {
		v.State, v.Since, v.SinceBootID = record.State, at, record.BootID
	}

	switch v.State {
	case StatePreparing, StateRunning, StateStopping:
	default:
		v.Applied = "" // nothing runs
	}

	if record.Attempt != 0 {
		v.Attempt = record.Attempt
	}

	if record.Message != "" {
		v.Recent = appendLine(v.Recent, Line{Seq: record.Seq, State: record.State, Message: record.Message, At: at, BootID: record.BootID})
	}

	return v
}

func appendLine(lines []Line, line Line) []Line {
	if len(lines) >= RecentLines {
		lines = lines[len(lines)-RecentLines+1:]
	}

	return append(slices.Clone(lines), line)
}

func (v View) fold(event *Event, at Moment) View {
	switch kind := event.GetKind().(type) {
	case *Event_SpecLoaded:
		return v.load(kind.SpecLoaded, at)
	case *Event_DesiredChanged:
		v.Desired = desired(!kind.DesiredChanged.GetStarted())
	case *Event_AttemptBegan:
		v.NextRetry, v.FinishedBy = 0, 0
	case *Event_ConditionChanged:
		v.Conditions = foldCondition(v.Conditions, kind.ConditionChanged, at)
	case *Event_BackoffElapsed:
		v.NextRetry = 0
	case *Event_TaskStarted:
		v.PID, v.Container, v.Problem = kind.TaskStarted.GetPid(), kind.TaskStarted.GetContainer(), ""
	case *Event_TaskAdopted:
		v.PID, v.Container, v.Problem = kind.TaskAdopted.GetPid(), kind.TaskAdopted.GetContainer(), ""
		v.NextRetry, v.Applied, v.Health, v.FinishedBy = 0, kind.TaskAdopted.GetHash(), Health{Unknown: true}, 0
	case *Event_StartFailed:
		if !kind.StartFailed.GetCancelled() {
			v.Problem = kind.StartFailed.GetProblem()
		}
	case *Event_TaskExited:
		v.PID, v.Container, v.LastExit, v.Health = 0, "", kind.TaskExited.GetExit(), Health{Unknown: true}
	case *Event_TaskLost:
		v.PID, v.Container, v.LastExit, v.Health = 0, "", &Exit{}, Health{Unknown: true}
	case *Event_RestartScheduled:
		v.NextRetry, v.Problem = kind.RestartScheduled.GetUntilBootNs(), kind.RestartScheduled.GetReason()
		v.Restarts++
	case *Event_ServiceFinished:
		v.PID, v.NextRetry, v.Problem, v.FinishedBy = 0, 0, "", kind.ServiceFinished.GetStopped()
	case *Event_ServiceFailed:
		v.PID, v.NextRetry, v.Problem = 0, 0, kind.ServiceFailed.GetReason()
	case *Event_ServiceSkipped:
		v.Problem = kind.ServiceSkipped.GetReason()
	case *Event_ServiceQuarantined:
		v.Quarantined = true
		v.Problem = "quarantined after an internal error, only stop works until the daemon restarts: " + kind.ServiceQuarantined.GetProblem()
		v.Health = Health{Unknown: true} // nobody checks it any more
	case *Event_RuntimeDisconnected:
		v.Health, v.Problem = Health{Healthy: false, LastMessage: kind.RuntimeDisconnected.GetProblem()}, kind.RuntimeDisconnected.GetProblem()
	case *Event_RuntimeConnected:
		v.Health, v.Problem = Health{Healthy: true}, ""
	case *Event_Snapshot:
		return v.restore(kind.Snapshot, at)
	default:
		return v.foldChange(event, at)
	}

	return v
}

// foldChange folds what changes while a service lives.
func (v View) foldChange(event *Event, at Moment) View {
	switch kind := event.GetKind().(type) {
	case *Event_SpecChanged:
		v = v.describe(kind.SpecChanged.GetLifecycle())
		v.Conditions = retainConditions(v.Conditions, kind.SpecChanged.GetLifecycle().GetDepends(), at)

		if !kind.SpecChanged.GetLifecycle().GetHealthCheck() {
			v.Health = Health{Unknown: true}
		}
	case *Event_RunnerCreated:
		v.Applied = kind.RunnerCreated.GetHash()
	case *Event_ConfigDelivered:
		v.Applied = kind.ConfigDelivered.GetHash()
	case *Event_HealthChanged:
		v.Health = Health{Healthy: kind.HealthChanged.GetHealthy(), LastMessage: kind.HealthChanged.GetMessage()}
	case *Event_SpecRejected:
		v.FileProblem = fileProblem(kind.SpecRejected)
	case *Event_CycleFound:
		v.Cycle = kind.CycleFound.GetPath()
	case *Event_HostChanged:
		v.Health = Health{Healthy: kind.HostChanged.GetUp(), LastMessage: kind.HostChanged.GetDetail()}
	case *Event_JournalChanged:
		v.Health = Health{Healthy: kind.JournalChanged.GetHealthy(), LastMessage: kind.JournalChanged.GetDetail()}
	}

	return v
}

func fileProblem(rejected *SpecRejected) string {
	if len(rejected.GetProblems()) == 0 {
		return ""
	}

	return rejected.GetFile() + " " + rejected.Trouble()
}

// describe takes over what a service's file says and status shows.
func (v View) describe(lifecycle *Lifecycle) View {
	v.LogToConsole, v.Source, v.Wanted = lifecycle.GetLogToConsole(), lifecycle.GetSource(), TaskHash(lifecycle)
	v.HealthCheck = lifecycle.GetHealthCheck()

	return v
}

func retainConditions(conditions []ConditionView, keys []string, at Moment) []ConditionView {
	kept := make([]ConditionView, 0, len(keys))

	for _, key := range keys {
		index := slices.IndexFunc(conditions, func(condition ConditionView) bool { return condition.Key == key })
		if index < 0 {
			kept = append(kept, ConditionView{Key: key, Since: at})
		} else {
			kept = append(kept, conditions[index])
		}
	}

	return kept
}

// load follows a new run of the daemon: what was known of the conditions is void, and a new boot begins a new life.
func (v View) load(loaded *SpecLoaded, at Moment) View {
	v = v.describe(loaded.GetLifecycle())
	v.FileProblem = "" // a file with problems is not loaded

	v.Cycle = nil // who finds one says so in each run

	if !loaded.GetLifecycle().GetHealthCheck() {
		v.Health = Health{Unknown: true}
	}

	if v.Quarantined {
		v.Quarantined, v.Problem = false, ""
	}

	v.Conditions = make([]ConditionView, 0, len(loaded.GetLifecycle().GetDepends()))
	for _, key := range loaded.GetLifecycle().GetDepends() {
		v.Conditions = append(v.Conditions, ConditionView{Key: key, Since: at})
	}

	if v.BootID != loaded.GetBootId() {
		v.BootID, v.Desired, v.Restarts, v.LastExit, v.Problem = loaded.GetBootId(), DesiredStarted, 0, nil, ""
		v.PID, v.Container, v.NextRetry, v.Health, v.FinishedBy = 0, "", 0, Health{Unknown: true}, 0
	}

	return v
}

func foldCondition(conditions []ConditionView, changed *ConditionChanged, at Moment) []ConditionView {
	conditions = slices.Clone(conditions)
	for i := range conditions {
		if conditions[i].Key != changed.GetKey() {
			continue
		}

		if !conditions[i].Known || conditions[i].Met != changed.GetMet() {
			conditions[i].Since = at
		}

		conditions[i].Known, conditions[i].Met, conditions[i].Text = true, changed.GetMet(), changed.GetText()
	}

	return conditions
}

func (v View) restore(snapshot *Snapshot, at Moment) View {
	v.Desired = desired(snapshot.GetDesiredStopped())
	v.Restarts, v.PID, v.Container = snapshot.GetRestarts(), snapshot.GetPid(), snapshot.GetContainer()
	v.LastExit, v.BootID, v.FinishedBy = snapshot.GetLastExit(), snapshot.GetBootId(), snapshot.GetFinishedBy()
	v = v.describe(snapshot.GetLifecycle())
	v.Applied = snapshot.GetApplied()

	v.Health = Health{Unknown: !snapshot.GetHealthKnown(), Healthy: snapshot.GetHealthy(), LastMessage: snapshot.GetHealthMessage()}

	v.NextRetry = 0
	if snapshot.GetBackingOff() {
		v.NextRetry = snapshot.GetRetryBootNs()
	}

	v.Conditions = make([]ConditionView, 0, len(snapshot.GetConditions()))
	for _, condition := range snapshot.GetConditions() {
		v.Conditions = append(v.Conditions, ConditionView{
			Key: condition.GetKey(), Known: condition.GetKnown(), Met: condition.GetMet(), Text: condition.GetText(),
			Since: momentOr(condition.GetSince(), at),
		})
	}

	if snapshot.GetSince() != nil { // else it is of a version that did not keep it
		v.State, v.Problem = snapshot.GetState(), snapshot.GetProblem()
		v.Since, v.SinceBootID = momentOr(snapshot.GetSince(), at), snapshot.GetSinceBootId()
	}

	if snapshot.GetWhole() {
		v.FileProblem, v.Cycle, v.Quarantined = snapshot.GetFileProblem(), snapshot.GetCycle(), snapshot.GetQuarantined()
	}

	return v
}

// Complete adds to a snapshot of the service's state what only its view keeps, so that the view can be folded from it.
func (v View) Complete(snapshot *Snapshot) {
	snapshot.Problem, snapshot.Since, snapshot.SinceBootId = v.Problem, v.Since.instant(), v.SinceBootID
	snapshot.Whole, snapshot.FileProblem, snapshot.Cycle, snapshot.Quarantined = true, v.FileProblem, v.Cycle, v.Quarantined

	for _, condition := range snapshot.GetConditions() {
		index := slices.IndexFunc(v.Conditions, func(known ConditionView) bool { return known.Key == condition.GetKey() })
		if index >= 0 {
			condition.Since = v.Conditions[index].Since.instant()
		}
	}
}

func (m Moment) instant() *Instant { return &Instant{WallNs: m.WallNS, BootNs: m.BootNS} }

func momentOr(instant *Instant, otherwise Moment) Moment {
	if instant == nil {
		return otherwise
	}

	return Moment{WallNS: instant.GetWallNs(), BootNS: instant.GetBootNs()}
}

func desired(stopped bool) string {
	if stopped {
		return DesiredStopped
	}

	return DesiredStarted
}
