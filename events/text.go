package events

import (
	"fmt"
	"strings"
	"time"
)

// Text is the event as EVENTS shows it; empty for a fact that is only for the journal. The text of the first five cases
// is that of Talos, to the letter.
func Text(id string, event *Event) string {
	switch kind := event.GetKind().(type) {
	case *Event_UnmetChanged:
		return "Waiting for " + strings.Join(kind.UnmetChanged.GetUnmet(), ", ")
	case *Event_PreparationStarted:
		return "Running pre state"
	case *Event_RunnerCreated:
		return "Creating service runner"
	case *Event_TaskStarted:
		return fmt.Sprintf("Started task %s (PID %d) for container %s", id, kind.TaskStarted.GetPid(), kind.TaskStarted.GetContainer())
	case *Event_StartFailed:
		if kind.StartFailed.GetCancelled() {
			return "Start was cancelled"
		}

		return "" // what follows from it says why
	case *Event_TaskExited:
		return fmt.Sprintf("Task %s (PID %d) %s%s", id, kind.TaskExited.GetPid(), kind.TaskExited.GetExit().Text(), lastLine(kind.TaskExited.GetExit()))
	case *Event_RestartScheduled:
		delay := time.Duration(kind.RestartScheduled.GetDelayNs())

		return fmt.Sprintf("Going to restart in %s: %s", delay, kind.RestartScheduled.GetReason())
	case *Event_StopBegan:
		return stopText(kind.StopBegan.GetReason())
	case *Event_SignalSent:
		if kind.SignalSent.GetPid() == 0 {
			return fmt.Sprintf("Cancelling the start of task %s", id)
		}

		return fmt.Sprintf("Sending %s to task %s (PID %d)", kind.SignalSent.GetSignal(), id, kind.SignalSent.GetPid())
	case *Event_ServiceFinished:
		return finishedText(kind.ServiceFinished.GetStopped())
	case *Event_ServiceFailed:
		return "Failed to run service: " + kind.ServiceFailed.GetReason()
	case *Event_ServiceSkipped:
		return "Service skipped: " + kind.ServiceSkipped.GetReason()
	default:
		return changeText(id, event)
	}
}

// changeText words what changes while a service lives: its configuration, its health, what it waits for.
func changeText(id string, event *Event) string {
	switch kind := event.GetKind().(type) {
	case *Event_DesiredChanged:
		return desiredText(kind.DesiredChanged)
	case *Event_ConfigDelivered:
		return fmt.Sprintf("Configuration changed, sending %s to task %s", kind.ConfigDelivered.GetSignal(), id)
	case *Event_HealthChanged:
		return healthText(kind.HealthChanged)
	case *Event_DependencyTimedOut:
		return fmt.Sprintf("Still waiting for %s after %s", kind.DependencyTimedOut.GetText(), time.Duration(kind.DependencyTimedOut.GetTimeoutNs()))
	case *Event_CycleFound:
		if len(kind.CycleFound.GetPath()) == 0 {
			return ""
		}

		return "Never starts, because services wait for each other: " + strings.Join(kind.CycleFound.GetPath(), " -> ")
	case *Event_RootfsReplaced:
		return "The root file system was replaced since the last start"
	case *Event_HostChanged:
		return "Host service: " + kind.HostChanged.GetDetail()
	case *Event_JournalChanged:
		return journalText(kind.JournalChanged)
	default:
		return recoveryText(id, event)
	}
}

func journalText(changed *JournalChanged) string {
	if changed.GetHealthy() {
		return "Recording events"
	}

	return "Keeping events in memory, they cannot be recorded: " + changed.GetDetail()
}

// desiredText is silent where what follows says it.
func desiredText(changed *DesiredChanged) string {
	switch {
	case !changed.GetWhileStopping():
		return ""
	case changed.GetStarted():
		return "Start requested, once it has stopped"
	default:
		return "Stop requested"
	}
}

// healthText is silent where only the message of the same verdict is new.
func healthText(changed *HealthChanged) string {
	switch {
	case changed.GetRepeated():
		return ""
	case changed.GetHealthy():
		return "Health check successful"
	default:
		return "Health check failed: " + changed.GetMessage()
	}
}

// recoveryText words what happens when a daemon finds what an earlier one left, and what concerns the daemon itself.
func recoveryText(id string, event *Event) string {
	switch kind := event.GetKind().(type) {
	case *Event_TaskAdopted:
		return fmt.Sprintf("Adopted running task %s (PID %d) for container %s", id, kind.TaskAdopted.GetPid(), kind.TaskAdopted.GetContainer())
	case *Event_TaskLost:
		return fmt.Sprintf("Task %s is gone and nobody knows how it ended", id)
	case *Event_OutputLost:
		return fmt.Sprintf("Some of the last output of attempt %d is lost, because its shim was killed", kind.OutputLost.GetAttempt())
	case *Event_TaskDiscarded:
		return fmt.Sprintf("Removing container %s of attempt %d: %s", id, kind.TaskDiscarded.GetAttempt(), kind.TaskDiscarded.GetReason())
	case *Event_ServiceQuarantined:
		return "Quarantined after an internal error, its container is left alone: " + kind.ServiceQuarantined.GetProblem()
	case *Event_Gap:
		return fmt.Sprintf("Records %d to %d of the journal were lost", kind.Gap.GetFrom(), kind.Gap.GetTo())
	case *Event_DaemonStarted:
		return fmt.Sprintf("extactor %s started (PID %d)", kind.DaemonStarted.GetVersion(), kind.DaemonStarted.GetPid())
	case *Event_DaemonStopped:
		return "extactor stopped: " + kind.DaemonStopped.GetReason()
	case *Event_RuntimeConnected:
		return fmt.Sprintf("Connected to containerd %s at %s", kind.RuntimeConnected.GetVersion(), kind.RuntimeConnected.GetAddress())
	case *Event_RuntimeDisconnected:
		return "Waiting for containerd: " + kind.RuntimeDisconnected.GetProblem()
	case *Event_SpecRejected:
		if len(kind.SpecRejected.GetProblems()) == 0 {
			return "" // the file is as it was before
		}

		return fmt.Sprintf("Skipped %s, which %s", kind.SpecRejected.GetFile(), kind.SpecRejected.Trouble())
	default:
		return ""
	}
}

// Text says how the task ended, as the end of a sentence: "exited with code 1", "was killed for lack of memory (exit code
// 137)". The kernel may have killed another process of it than the one whose exit counts.
func (x *Exit) Text() string {
	if x.GetKnown() && x.GetOom() {
		if x.GetSignal() == sigkill {
			return fmt.Sprintf("was killed for lack of memory (exit code %d)", x.GetCode())
		}

		return x.ownText() + "; a process of it was killed for lack of memory"
	}

	return x.ownText()
}

// sigkill is the signal by which the kernel kills for lack of memory.
const sigkill = 9

// ownText is about the first process of the task only.
func (x *Exit) ownText() string {
	switch {
	case !x.GetKnown():
		return "ended, exit code unknown"
	case x.GetSignal() != 0:
		return fmt.Sprintf("was ended by signal %d (%s)", x.GetSignal(), SignalName(x.GetSignal()))
	case x.GetCode() == 0:
		return "exited without error"
	default:
		return fmt.Sprintf("exited with code %d", x.GetCode())
	}
}

// Success tells whether the task ended as it should: known, with code 0, by no signal. A process of it that the kernel
// killed for lack of memory is the task's own affair, as any other child that fails.
func (x *Exit) Success() bool { return x.GetKnown() && x.GetCode() == 0 && x.GetSignal() == 0 }

// lastLine shows the last line of a failed task: most often it says why. Where we can say it better, it is left out.
func lastLine(exit *Exit) string {
	if explanation := exit.GetExplanation(); explanation != "" {
		return ": " + explanation
	}

	if exit.Success() {
		return ""
	}

	lines := strings.Split(strings.TrimSpace(exit.GetLastLines()), "\n")

	last := []rune(strings.ToValidUTF8(strings.TrimSpace(lines[len(lines)-1]), "?"))
	if len(last) == 0 {
		return ""
	}

	const most = 160
	if len(last) > most {
		last = append(last[:most:most], '…')
	}

	return fmt.Sprintf(": last line %q", string(last))
}

func stopText(reason StopReason) string {
	switch reason {
	case StopReason_STOP_REASON_RESTART:
		return "Restart requested"
	case StopReason_STOP_REASON_SHUTDOWN:
		return "Stopping for the daemon's shutdown"
	case StopReason_STOP_REASON_SPEC:
		return "Restarting with the changed service file"
	case StopReason_STOP_REASON_CONFIG:
		return "Restarting with the changed configuration"
	case StopReason_STOP_REASON_HEALTH:
		return "Restarting because it is unhealthy"
	case StopReason_STOP_REASON_REMOVED:
		return "Stopping because the service file is gone"
	default:
		return "Stop requested"
	}
}

func finishedText(stopped StopReason) string {
	switch stopped {
	case StopReason_STOP_REASON_UNSPECIFIED:
		return "Service finished successfully"
	case StopReason_STOP_REASON_SHUTDOWN:
		return "Service was stopped for the daemon's shutdown"
	case StopReason_STOP_REASON_REMOVED:
		return "Service was stopped because its file is gone"
	default:
		return "Service was stopped"
	}
}
