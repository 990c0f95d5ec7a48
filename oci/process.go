package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/service"
)

// processRecord is a file that says which attempt has the cgroup of an id, and what its PID 1 is: with it a task can be
// signalled, killed and waited for while containerd does not answer.
type processRecord struct {
	Instance string `json:"instance"`
	Attempt  uint64 `json:"attempt"`
	PID      int    `json:"pid"`     // 0 until the task is made
	Started  int64  `json:"started"` // ticks since boot: a PID is given to another process some day
}

func (r *Runtime) processPath(id string) string {
	return filepath.Join(r.config.RunDir, "tasks", id+".json")
}

// claim writes down that the cgroup of the id is the task's from now on.
func (r *Runtime) claim(task service.Task, pid uint32) error {
	r.claims.Lock()
	defer r.claims.Unlock()

	return r.writeClaim(task, pid)
}

func (r *Runtime) writeClaim(task service.Task, pid uint32) error {
	record := processRecord{Instance: r.config.Instance, Attempt: task.Attempt, PID: int(pid)}
	if pid != 0 {
		record.Started = startTicks(int(pid))
	}

	path := r.processPath(task.ID)

	data, err := json.Marshal(record)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}

	if err == nil {
		err = os.WriteFile(path+".new", data, 0o600)
	}

	if err == nil {
		err = os.Rename(path+".new", path)
	}

	if err != nil {
		return fmt.Errorf("cannot write down the process of %q: %w", task.ID, err)
	}

	return nil
}

// claimAgain writes down what an earlier daemon started, where it did not. The listing that shows the task may be old: a
// task that has ended, or has made room for a later one, has no record any more.
func (r *Runtime) claimAgain(task service.Task, pid uint32) {
	r.claims.Lock()
	defer r.claims.Unlock()

	record := r.anyClaim(task.ID)
	if record != nil && (record.Attempt > task.Attempt || record.Attempt == task.Attempt && record.PID == int(pid)) {
		return
	}

	if err := r.writeClaim(task, pid); err != nil {
		r.config.Logger.Warn().Err(err).Msg("the task cannot be stopped without containerd")
	}

	if startTicks(int(pid)) == 0 { // looked at last: whoever deletes the task ends it before it removes the record
		_ = os.Remove(r.processPath(task.ID))
	}
}

// claimed returns the record of exactly this attempt, nil where there is none.
func (r *Runtime) claimed(task service.Task) *processRecord {
	record := r.anyClaim(task.ID)
	if record == nil || record.Attempt != task.Attempt {
		return nil
	}

	return record
}

// anyClaim returns the record of whichever attempt has the cgroup of the id, nil where there is none.
func (r *Runtime) anyClaim(id string) *processRecord {
	data, err := os.ReadFile(r.processPath(id))
	if err != nil {
		return nil
	}

	record := new(processRecord)
	if json.Unmarshal(data, record) != nil || record.Instance != r.config.Instance {
		return nil
	}

	return record
}

// unclaim removes the record of an id where drop is true for its attempt.
func (r *Runtime) unclaim(id string, drop func(attempt uint64) bool) error {
	r.claims.Lock()
	defer r.claims.Unlock()

	path := r.processPath(id)

	var record processRecord
	if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &record) == nil && !drop(record.Attempt) {
		return nil
	}

	for _, path := range []string{path, path + ".new"} { // which a daemon left that died in between
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the record of a process: %w", err)
		}
	}

	return nil
}

// open returns a handle on PID 1 of the task, nil where it has ended. It is never a process that was given the number
// since: the handle stays with the process, and its start is compared after it was opened.
func (p *processRecord) open() (*os.File, error) {
	if p.PID == 0 {
		return nil, nil //nolint:nilnil // not made yet
	}

	process, err := cgroup.Open(p.PID)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil //nolint:nilnil // it has ended
	} else if err != nil {
		return nil, err
	}

	if startTicks(p.PID) != p.Started {
		process.Close()

		return nil, nil //nolint:nilnil // it has ended
	}

	return process, nil
}

// signal sends a signal to PID 1; one that has ended is no error.
func (p *processRecord) signal(number unix.Signal) error {
	process, err := p.open()
	if process == nil {
		return err
	}
	defer process.Close()

	if err := cgroup.Signal(process, number); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}

	return nil
}

// killClaimed kills all that is left of a task, without containerd.
func (r *Runtime) killClaimed(ctx context.Context, task service.Task, record *processRecord) error {
	process, err := record.open()
	if err != nil {
		return err
	}

	if process != nil {
		_ = cgroup.Signal(process, unix.SIGKILL) // it is waited for below, whatever became of it
	}

	err = cgroup.Kill(ctx, r.cgroupPath(task.ID))

	if process != nil {
		err = errors.Join(err, cgroup.Ended(ctx, process))
	}

	return err
}

// startTicks returns when a process was started, in ticks since boot; 0 where it is gone.
func startTicks(pid int) int64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}

	// The name, in parentheses, may contain anything; the start is the 20th field after it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0
	}

	ticks, _ := strconv.ParseInt(string(fields[19]), 10, 64)

	return ticks
}
