// Package cgroup finds the control group of a container in every hierarchy of the host (version 1, version 2, or both
// at once), tells whether the kernel killed in it for lack of memory, and kills all that is in it.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Directories returns the directories of the control group, such as "/extactor/ext-x", one for each hierarchy in which
// it exists.
func Directories(path string) ([]string, error) {
	roots, err := hierarchies()
	if err != nil {
		return nil, err
	}

	var directories []string

	for _, root := range roots {
		directory := filepath.Join(root, path)
		if _, err := os.Stat(filepath.Join(directory, "cgroup.procs")); err == nil {
			directories = append(directories, directory)
		}
	}

	return directories, nil
}

// Join creates the control group in every hierarchy where that is possible and moves the process into it. It fails only
// where the process could be moved in none.
func Join(path string, pid int) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}

	var problems []error

	for _, root := range roots {
		if err := join(root, path, pid); err != nil {
			problems = append(problems, err)
		}
	}

	if len(problems) == len(roots) {
		return fmt.Errorf("cannot join cgroup %q: %w", path, errors.Join(problems...))
	}

	return nil
}

func join(root, path string, pid int) error {
	directory := filepath.Join(root, path)
	if err := os.MkdirAll(directory, 0o755); err != nil { // #nosec G301 -- as every cgroup is
		return err
	}

	fillCpusets(root, path)

	return os.WriteFile(filepath.Join(directory, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600)
}

// fillCpusets copies processors and memory nodes down the path: a cpuset of version 1 does not inherit them, and takes no
// process while it has none. Other hierarchies have no such files and are left as they are.
func fillCpusets(root, path string) {
	parent := root

	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		child := filepath.Join(parent, part)

		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			present, err := os.ReadFile(filepath.Join(child, file))
			if err != nil || len(bytes.TrimSpace(present)) > 0 {
				continue
			}

			if inherited, err := os.ReadFile(filepath.Join(parent, file)); err == nil {
				_ = os.WriteFile(filepath.Join(child, file), inherited, 0o600)
			}
		}

		parent = child
	}
}

// OOMKilled tells whether the kernel killed a process of the control group for lack of memory. It is false where the
// control group is gone or has no memory controller.
func OOMKilled(path string) bool {
	directories, err := Directories(path)
	if err != nil {
		return false
	}

	for _, directory := range directories {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			data, err := os.ReadFile(filepath.Join(directory, file))
			if err == nil && counter(data, "oom_kill") > 0 {
				return true
			}
		}
	}

	return false
}

// counter reads one value of a file of lines such as "oom_kill 3"; 0 where the key is missing.
func counter(data []byte, key string) uint64 {
	for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
		name, value, _ := strings.Cut(scanner.Text(), " ")
		if name == key {
			number, _ := strconv.ParseUint(value, 10, 64)

			return number
		}
	}

	return 0
}

// hierarchies lists the mount points of the host's hierarchies.
func hierarchies() ([]string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("cannot list cgroup hierarchies: %w", err)
	}

	seen := make(map[string]bool)

	var roots []string

	for _, mount := range mounts {
		if !seen[mount.Mountpoint] {
			seen[mount.Mountpoint] = true

			roots = append(roots, mount.Mountpoint)
		}
	}

	return roots, nil
}
