package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
)

// Usage is what the processes of a control group take of the host.
type Usage struct {
	CPU    time.Duration // processor time since the control group was made, of all processors together
	Memory uint64        // bytes in use, without page cache that can be dropped at once
}

// Measure reads the counters of the control groups with these names below parent, such as "/extactor". What is gone is not
// in the answer; of what has no controller the value is 0.
func Measure(parent string, names []string) (map[string]Usage, error) {
	processor, memory, err := counters()
	if err != nil {
		return nil, err
	}

	usages := make(map[string]Usage, len(names))

	for _, name := range names {
		var (
			usage Usage
			there bool
		)

		if text, ok := processor.read(parent, name, processor.current); ok {
			there, usage.CPU = true, processorTime(text)
		}

		if text, ok := memory.read(parent, name, memory.current); ok {
			there, usage.Memory = true, number(text)

			if text, ok := memory.read(parent, name, "memory.stat"); ok {
				usage.Memory -= min(usage.Memory, counter(text, memory.droppable))
			}
		}

		if there {
			usages[name] = usage
		}
	}

	return usages, nil
}

// hierarchy is one where a kind of counter is kept, and how its files are named there.
type hierarchy struct {
	root      string // mount point; empty where the host has none
	current   string // the file with the value
	droppable string // the line of memory.stat that counts page cache which nobody has used for long
}

func (h hierarchy) read(parent, name, file string) ([]byte, bool) {
	if h.root == "" {
		return nil, false
	}

	text, err := os.ReadFile(filepath.Join(h.root, parent, name, file))

	return text, err == nil
}

// counters finds where processor time and memory are counted: in version 1 where it has the controller, else in version 2.
func counters() (processor, memory hierarchy, err error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return hierarchy{}, hierarchy{}, fmt.Errorf("cannot list cgroup hierarchies: %w", err)
	}

	for _, mount := range mounts {
		controllers := strings.Split(mount.VFSOptions, ",")

		switch {
		case mount.FSType == "cgroup2":
			if processor.root == "" {
				processor = hierarchy{root: mount.Mountpoint, current: "cpu.stat"}
			}

			if memory.root == "" {
				memory = hierarchy{root: mount.Mountpoint, current: "memory.current", droppable: "inactive_file"}
			}
		case slices.Contains(controllers, "cpuacct"):
			processor = hierarchy{root: mount.Mountpoint, current: "cpuacct.usage"}
		}

		if mount.FSType == "cgroup" && slices.Contains(controllers, "memory") {
			memory = hierarchy{root: mount.Mountpoint, current: "memory.usage_in_bytes", droppable: "total_inactive_file"}
		}
	}

	return processor, memory, nil
}

// processorTime reads cpuacct.usage, a number of nanoseconds, or cpu.stat, lines of which one counts microseconds.
func processorTime(text []byte) time.Duration {
	if microseconds := counter(text, "usage_usec"); microseconds > 0 {
		return time.Duration(microseconds) * time.Microsecond
	}

	return time.Duration(number(text))
}

// number reads a file that is one number; 0 where it is something else.
func number(text []byte) uint64 {
	value, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)

	return value
}
