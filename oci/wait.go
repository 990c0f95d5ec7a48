package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/exits"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

const (
	drainTimeout   = time.Second      // for logd to take what a task printed
	collectTimeout = 15 * time.Second // for all that a task printed to be delivered, and the task to be deleted
	lastLinesLimit = 4 << 10          // bytes
)

// shimKilled explains an exit that our shim did not write down, or whose output it did not deliver. What it held then,
// at most what fits into its pipes, is lost.
const shimKilled = "its shim was killed; output it had not delivered is lost"

// collect deletes the ended task of our shim, which returns once all that the task printed is delivered, and returns how
// it ended. Only then is the exit told, so that what is lost with a shim that is killed before can be told with it.
func (r *Runtime) collect(ctx context.Context, task service.Task, container *containers.Container, told exits.Record) (*service.Exit, error) {
	if container.Runtime.Name == foreignShim {
		return r.exit(ctx, task, container, told), nil
	}

	limit, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()

	_, err := r.client.TaskService().Delete(limit, &tasks.DeleteTaskRequest{ContainerID: task.ID})
	if err == nil || ctx.Err() == nil && limit.Err() != nil {
		if record, err := exits.Read(exits.Path(r.config.RunDir, task.ID, task.Attempt)); err == nil {
			told = record
		}

		return r.exit(ctx, task, container, told), nil
	}

	// Without a shim the first call fails, and the second one tells that the task is gone.
	if err := r.deleteTask(ctx, task.ID); err != nil {
		return nil, err
	}

	return r.rememberedExit(ctx, task, container, true), nil
}

// rememberedExit is the exit of a task that containerd does not tell: what our shim wrote down, else unknown. Gone says
// that the shim has ended too.
func (r *Runtime) rememberedExit(ctx context.Context, task service.Task, container *containers.Container, gone bool) *service.Exit {
	ours := container != nil && container.Runtime.Name != foreignShim

	record, err := exits.Read(exits.Path(r.config.RunDir, task.ID, task.Attempt))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.config.Logger.Warn().Err(err).Msg("an exit code is lost")
		}

		exit := r.exit(ctx, task, container, exits.Record{WallNS: time.Now().UnixNano()})
		exit.Known, exit.Code, exit.Signal = false, 0, 0

		if ours {
			exit.Explanation, exit.OutputLost = shimKilled, true
		}

		return exit
	}

	exit := r.exit(ctx, task, container, record)
	if gone && record.Undelivered {
		exit.Explanation, exit.OutputLost = shimKilled, true
	}

	return exit
}

// exit adds to what containerd or the shim says what else is known of the end: OOM kills, and the last lines.
func (r *Runtime) exit(ctx context.Context, task service.Task, container *containers.Container, record exits.Record) *service.Exit {
	if record.BootNS == 0 {
		record.BootNS = bootTime(record.WallNS)
	}

	exit := &service.Exit{
		Known: true,
		Code:  int32(record.Status),
		Oom:   record.OOM || cgroup.OOMKilled(r.cgroupPath(task.ID)),
		At:    &events.Instant{WallNs: record.WallNS, BootNs: record.BootNS},
	}

	// Shims report as a shell does: 128 and the number of the signal. A program may return such a code itself, which
	// cannot be told apart.
	if signal := exit.Code - 128; signal > 0 && signal <= 64 {
		exit.Signal = signal
	}

	drain, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()

	if err := logs.Drained(drain, r.logs, task.ID); err != nil {
		r.config.Logger.Warn().Err(err).Msg("the last lines may be incomplete")
	}

	exit.LogCursor, _ = logs.Cursor(r.logs, task.ID)

	if container != nil {
		exit.LastLines, exit.Explanation = r.lastLines(*container, exit.Code)
	}

	return exit
}

// lastLines are the last lines that the attempt printed, without the values that were given to it, and an explanation
// where its program was never executed.
func (r *Runtime) lastLines(container containers.Container, code int32) (_, explanation string) {

	// More than is wanted, because a value must be seen whole to be hidden.
	lines, err := logs.LastLines(r.logs, container.ID, number(container, labelCursor), 4*lastLinesLimit)
	if err != nil {
		r.config.Logger.Warn().Err(err).Msg("the last lines are lost")

		return "", ""
	}

	secrets, err := r.secretsOf(container)
	if err != nil {
		r.config.Logger.Warn().Err(err).Msg("the last lines are left out, because secrets in them cannot be recognised")

		return "", ""
	}

	if slices.Contains(execFailures, code) {
		explanation = explainOnlyLine(lines, container)
	}

	lines = Redact(lines, secrets)
	if len(lines) <= lastLinesLimit {
		return lines, explanation
	}

	lines = lines[len(lines)-lastLinesLimit:]
	if cut := strings.IndexByte(lines, '\n'); cut >= 0 && cut < len(lines)-1 {
		lines = lines[cut+1:]
	}

	return strings.ToValidUTF8(lines, ""), explanation
}

// execFailures are the exit codes of the OCI runtimes for a program that they could not execute.
var execFailures = []int32{1, exitNotExecutable, exitNotFound, 255}

// explainOnlyLine explains the single line that is all an attempt printed. A program that printed more was executed.
func explainOnlyLine(lines string, container containers.Container) string {
	generated, err := specOfContainer(container)
	if err != nil || len(generated.Process.Args) == 0 || strings.Contains(strings.TrimSpace(lines), "\n") {
		return ""
	}

	return ExplainExecFailure(lines, &spec.Service{Container: spec.Container{
		Entrypoint: generated.Process.Args[0], Environment: generated.Process.Env,
	}})
}

// secretsOf returns every value of the container's environment and the content of every configuration file: all of them
// were given to extactor.
func (r *Runtime) secretsOf(container containers.Container) ([]string, error) {
	generated, err := specOfContainer(container)
	if err != nil {
		return nil, err
	}

	contents, err := configContents(ConfigDir(r.config.RunDir, container.ID, number(container, labelAttempt)))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration files of container %q: %w", container.ID, err)
	}

	return append(contents, EnvironmentValues(generated.Process.Env)...), nil
}

// specOfContainer returns the spec that the container was made from; its Process is not nil.
func specOfContainer(container containers.Container) (*specs.Spec, error) {
	generated := new(specs.Spec)
	if err := typeurl.UnmarshalTo(container.Spec, generated); err != nil {
		return nil, fmt.Errorf("cannot read the spec of container %q: %w", container.ID, err)
	}

	if generated.Process == nil {
		generated.Process = new(specs.Process)
	}

	return generated, nil
}

func (r *Runtime) cgroupPath(id string) string { return path.Join(r.config.CgroupParent, id) }

// bootTime converts a moment of the wall clock to CLOCK_BOOTTIME, as far as the wall clock has not jumped since.
func bootTime(wall int64) int64 {
	var boot unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot)

	return max(0, boot.Nano()-max(0, time.Now().UnixNano()-wall))
}
