package service_test

import (
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// files is what the world keeps of the service's file and of its configuration, and of who follows them.
type files struct {
	wanted   *events.Lifecycle // what the file says, also where it is not there now
	former   *events.Lifecycle // what it said before the last edit
	present  bool              // the file is there
	alive    bool              // the service is loaded: there is somebody to receive what is sent to it
	removing bool              // it was told that its file is gone
}

func drawFiles(t *rapid.T) files {
	made := lifecycle(rapid.SampledFrom(policies()).Draw(t, "restart"), hashA)
	made.Depends, made.ConfigSignal = append(made.Depends, timeKey), "SIGHUP"
	made.OnConfigChange = rapid.SampledFrom([]string{"", "signal", "signal", "none"}).Draw(t, "policy")
	file := files{wanted: made, former: made, present: true}

	for range rapid.IntRange(0, 4).Draw(t, "additions") {
		file.edit(t)
	}

	return file
}

// edit changes one thing that the file or the configuration says.
func (f *files) edit(t *rapid.T) {
	changed := proto.CloneOf(f.wanted)
	draw := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }

	switch draw("edited", "container", "files", "files", "files", "back", "back", "environment", "onConfigChange", "restart",
		"depends", "health", "limit", "nothing") {
	case "back":
		changed = f.former
	case "container":
		changed.SpecHash = draw("hash", hashA, hashB)
	case "files":
		changed.ConfigFilesHash = draw("files", "", "f1", "f2")
	case "environment":
		changed.ConfigEnvironmentHash = draw("environment", "", "e1")
	case "onConfigChange":
		changed.OnConfigChange = draw("policy", "", "signal", "signal", "none")
	case "restart":
		changed.Restart = draw("restart", policies()...)
	case "depends":
		changed.Depends = []string{containerdKey, timeKey}
		if draw("added", "", addedKey) != "" {
			changed.Depends = append(changed.Depends, addedKey)
		}
	case "health":
		action := draw("on failure", "no check", "none", "restart")
		changed.HealthCheck, changed.RestartUnhealthy = action != "no check", action == "restart"
	case "limit":
		changed.Timeouts = nil
		if action := draw("on timeout", "", "wait", "skip", "fail"); action != "" {
			changed.Timeouts = []*events.DependencyTimeout{{Key: timeKey, TimeoutNs: int64(limited), Action: action}}
		}
	}

	f.former, f.wanted = f.wanted, changed
}

// change edits the file and gives it to the service, if that is there to follow it.
func (w *world) change(t *rapid.T) {
	if w.stopping || !w.present {
		return
	}

	w.edit(t)

	if !w.removing {
		w.take(w.order(&events.ChangeSpec{Lifecycle: w.wanted}))
	}
}

// removeFile takes the file away.
func (w *world) removeFile() {
	if w.stopping || !w.present {
		return
	}

	w.present = false

	if w.alive && !w.removing {
		w.removing = true
		w.take(w.order(&events.RemoveService{}))
	}
}

// askAgain tells a service that had ended, and has not any more, once more what it was told before that.
func (w *world) askAgain(before service.State) {
	if !before.Ended() || w.state.Ended() {
		return
	}

	if w.removing {
		w.send("runtime", w.order(&events.RemoveService{}))
	}

	if w.stopping {
		w.send("runtime", w.order(&events.ShutdownService{}))
	}
}

// addFile brings the file back, perhaps with other content. A service that is still ending is loaded anew after that.
func (w *world) addFile(t *rapid.T) {
	if w.stopping || w.present {
		return
	}

	w.edit(t)
	w.present = true

	if !w.alive {
		w.loadLate()
	}
}

// unload ends what follows a service whose file is gone, once it has ended and no call is under way. What was sent to it
// may still arrive at the next one, but for what the containers' listing showed: that is from the same sender as the end.
func (w *world) unload() bool {
	if !w.alive || !w.removing || !w.state.Ended() || len(w.calls) > 0 || len(w.mail["runtime"]) > 0 {
		return false
	}

	w.alive, w.removing, w.monitor = false, false, 0
	if w.present && !w.stopping {
		w.loadLate()
	}

	return true
}

func (w *world) load(file *events.Lifecycle) {
	w.alive = true
	w.take(w.order(&events.LoadSpec{Lifecycle: file, BootId: w.bootID()}))
}

// loadLate loads a service whose file came after the containers were listed: then nothing was there.
func (w *world) loadLate() {
	w.load(w.wanted)

	if w.linked {
		w.take(w.order(&events.RecoverService{
			Observed: &events.Observed{Status: events.TaskStatus_TASK_STATUS_NONE, At: at(w.listed)},
		}))
	}
}

// connect shows the service what the runtime has. A container without a service is loaded only to end.
func (w *world) connect() {
	observed := w.order(&events.RecoverService{Observed: w.observe()})

	switch {
	case w.alive:
		w.send("runtime", observed)
	case len(w.containers) > 0 && !w.stopping:
		otherwise := lifecycle("never", "")
		w.load(service.Orphan(w.state.Lifecycle, otherwise, observed.GetRecoverService().GetObserved().GetSpecHash()))
		w.removing = true
		w.take(observed)
		w.take(w.order(&events.RemoveService{}))
	}
}

// update gives a running task its configuration. Where the link is lost in between nobody knows how far that came.
func (w *world) update(asked call, problem string, done bool) events.Order {
	for _, c := range w.containers {
		if c.attempt == asked.attempt && (problem == "" || done) {
			c.has = asked.hash
		}
	}

	if problem != "" {
		return &events.ReportConfigRefused{Attempt: asked.attempt, Problem: problem}
	}

	return &events.ReportConfigDelivered{Attempt: asked.attempt, Delivery: asked.delivery}
}

// reportHealth has the health check say something.
func (w *world) reportHealth(t *rapid.T) {
	if w.monitor == 0 {
		return
	}

	w.send("health", w.order(&events.ReportHealth{
		Attempt: w.monitor, Healthy: rapid.IntRange(0, 2).Draw(t, "healthy") > 0,
		Message: rapid.SampledFrom([]string{"", "slow"}).Draw(t, "message"),
	}))
}

// hear keeps the last that was said about each condition; a file begins anew, or brings others.
func (w *world) hear(command *events.Command, step service.Step) {
	if command.GetLoadSpec() != nil {
		w.heard = map[string]bool{}
	}

	awaited := map[string]bool{}
	for _, key := range step.State.Lifecycle.GetDepends() {
		awaited[key] = w.heard[key]
	}

	w.heard = awaited

	if observed := command.GetObserveCondition(); observed != nil {
		w.heard[observed.GetKey()] = observed.GetMet()
	}
}

// attemptOf returns the attempt that a command bears, if it bears one.
func attemptOf(command *events.Command) (attempt uint64, bears bool) {
	outcomes := []interface{ GetAttempt() uint64 }{
		command.GetElapseTimer(), command.GetReportPrepared(), command.GetReportStarted(), command.GetReportStartFailed(),
		command.GetReportExited(), command.GetReportHealth(), command.GetReportConfigDelivered(), command.GetReportConfigRefused(),
	}
	for _, outcome := range outcomes {
		if message := outcome.(proto.Message); message.ProtoReflect().IsValid() {
			return outcome.GetAttempt(), true
		}
	}

	return 0, false
}

// checkRuns compares what runs with what the machine believes, and with what the file and the configuration want.
func (w *world) checkRuns(want func(ok bool, format string, args ...any)) {
	c := w.containers[0]
	hash := events.TaskHash(w.wanted)
	difference := events.Compare(c.has, hash)

	want(difference < events.ContainerDiffers, "an outdated task runs")
	want(!w.wanted.GetHealthCheck() || w.monitor == w.state.Attempt, "nobody checks its health")

	if c.doubtful {
		return
	}

	pending := w.state.Applied != hash
	want(difference == events.Same || w.wanted.GetOnConfigChange() == "none", "it has another configuration")
	want(!pending || w.wanted.GetOnConfigChange() == "none", "a restart is pending that nobody wants to put off")
	want(pending || difference == events.Same, "a restart is not shown as pending")
	want(!pending || difference != events.Same || w.state.Applied == events.UnknownFiles(c.has), "a restart is shown as pending")
}

// checkBelief: the machine never believes that a task has another configuration than it has.
func (w *world) checkBelief(t *rapid.T) {
	for _, c := range w.containers {
		ours := w.alive && w.state.Name == events.StateRunning && w.state.Live && c.attempt == w.state.Attempt && c.pid == w.state.PID
		if ours && !w.state.Delivering && !c.doubtful && w.state.Applied != c.has && w.state.Applied != events.UnknownFiles(c.has) {
			t.Fatalf("the task has %q, the machine believes %q", c.has, w.state.Applied)
		}
	}
}
