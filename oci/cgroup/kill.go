package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to every process of the control group and of those below it, and returns when all have ended. New
// children of the dying are killed too. Where a process does not die (it hangs in the kernel) the context's end is the
// error.
func Kill(ctx context.Context, path string) error {
	ended := make(map[int]bool)

	for {
		directories, err := Directories(path)
		if err != nil {
			return err
		}

		var processes []*os.File

		for _, directory := range directories {
			// One write kills all at once where the kernel can (5.14 and a version 2 hierarchy).
			_ = os.WriteFile(filepath.Join(directory, "cgroup.kill"), []byte("1"), 0o600)

			for _, pid := range members(directory) {
				if !ended[pid] {
					ended[pid] = true

					if process := kill(pid); process != nil {
						processes = append(processes, process)
					}
				}
			}
		}

		if len(processes) == 0 {
			return nil
		}

		for _, directory := range directories { // what is frozen gets the signal only then
			thaw(directory)
		}

		if err := Ended(ctx, processes...); err != nil {
			return fmt.Errorf("cannot kill cgroup %q: %w", path, err)
		}
	}
}

// thaw lets the processes of a directory of the freezer of version 1, and of those below it, go on. Version 2 kills frozen
// processes as they are.
func thaw(directory string) {
	_ = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			if freezer, err := os.OpenFile(filepath.Join(path, "freezer.state"), os.O_WRONLY, 0); err == nil {
				_, _ = freezer.WriteString("THAWED")
				freezer.Close()
			}
		}

		return nil
	})
}

// KillSession sends SIGKILL to every process of the control group that belongs to the session, which has the number of
// the process that began it, and returns when all have ended.
func KillSession(ctx context.Context, path string, session int) error {
	ended := make(map[int]bool)

	for {
		directories, err := Directories(path)
		if err != nil {
			return err
		}

		var processes []*os.File

		for _, directory := range directories {
			for _, pid := range members(directory) {
				if !ended[pid] && sessionOf(pid) == session {
					ended[pid] = true

					if process := kill(pid); process != nil {
						processes = append(processes, process)
					}
				}
			}
		}

		if len(processes) == 0 {
			return nil
		}

		if err := Ended(ctx, processes...); err != nil {
			return fmt.Errorf("cannot kill session %d of cgroup %q: %w", session, path, err)
		}
	}
}

// sessionOf returns the session of a process, 0 where it is gone.
func sessionOf(pid int) int {
	session, err := unix.Getsid(pid)
	if err != nil {
		return 0
	}

	return session
}

// kill returns the handle of a process that was sent SIGKILL; nil where it is gone already.
func kill(pid int) *os.File {
	process, err := Open(pid)
	if err != nil {
		return nil
	}

	if err := Signal(process, unix.SIGKILL); err != nil {
		process.Close()

		return nil
	}

	return process
}

// Open returns a handle on a process (pidfd) that can be given to Signal and Ended.
func Open(pid int) (*os.File, error) {
	handle, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot open process %d: %w", pid, err)
	}

	return os.NewFile(uintptr(handle), "process "+strconv.Itoa(pid)), nil
}

// Signal sends a signal to the process behind the handle, never to another that was given its number.
func Signal(process *os.File, signal unix.Signal) error {
	connection, err := process.SyscallConn()
	if err != nil {
		return err
	}

	var problem error

	err = connection.Control(func(handle uintptr) {
		problem = unix.PidfdSendSignal(int(handle), signal, nil, 0)
	})

	return errors.Join(err, problem)
}

// Ended blocks until every process has ended, or the context has, which is the error. It closes the handles.
func Ended(ctx context.Context, processes ...*os.File) error {
	stop := context.AfterFunc(ctx, func() {
		for _, process := range processes {
			process.Close()
		}
	})

	defer func() {
		if stop() {
			for _, process := range processes {
				process.Close()
			}
		}
	}()

	for _, process := range processes {
		connection, err := process.SyscallConn()
		if err != nil {
			return errors.Join(err, ctx.Err())
		}

		// The handle becomes readable when the process ends; Read parks the goroutine until then.
		err = connection.Read(func(handle uintptr) bool {
			poll := []unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}
			count, err := unix.Poll(poll, 0)

			return err == nil && count == 1
		})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}

			return err
		}
	}

	return nil
}

// Processes lists the processes of the control group and of those below it, each once.
func Processes(path string) ([]int, error) {
	directories, err := Directories(path)
	if err != nil {
		return nil, err
	}

	var pids []int
	for _, directory := range directories {
		pids = append(pids, members(directory)...)
	}

	slices.Sort(pids)

	return slices.Compact(pids), nil
}

// members lists the processes of one directory of a hierarchy and of those below it.
func members(directory string) []int {
	var pids []int

	_ = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}

		data, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for _, line := range bytes.Fields(data) {
			// 0 stands for a process of a foreign PID namespace.
			if pid, err := strconv.Atoi(string(line)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}

		return nil
	})

	return pids
}
