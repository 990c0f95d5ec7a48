package kernel

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
)

// longestArgs is how many bytes of the arguments of one process are told, as in Talos.
const longestArgs = 16 << 10

// Processes returns every process, sorted by its PID: also those without an executable, which are threads of the kernel and
// processes that have ended and wait to be noticed. One that ends meanwhile is left out.
func (h *Host) Processes() ([]*machine.ProcessInfo, error) {
	all, err := read(h, "the processes", procfs.FS.AllProcs)
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithTimeout(context.Background(), readable)
	defer cancel()

	asked := make([]*question[[]string], len(all))
	for i, process := range all {
		asked[i] = h.commandLines.ask(strconv.Itoa(process.PID), func() []string { return h.commandLine(process) })
	}

	processes := make([]*machine.ProcessInfo, 0, len(all))

	for i, process := range all {
		if info, there := h.process(process); there {
			info.Args = arguments(asked[i].answer(ctx))
			processes = append(processes, info)
		}
	}

	slices.SortFunc(processes, func(a, b *machine.ProcessInfo) int { return cmp.Compare(a.GetPid(), b.GetPid()) })

	return processes, nil
}

// readable is how long the arguments of all processes may take to be read: they are in their memory, which some system calls
// keep locked, for ever where they hang.
const readable = time.Second

func commandLine(process procfs.Proc) []string {
	args, _ := process.CmdLine()

	return args
}

// process reads one process but for its arguments. What it does not have is left empty.
func (h *Host) process(process procfs.Proc) (info *machine.ProcessInfo, there bool) {
	stat, err := process.Stat()
	if err != nil {
		return nil, false
	}

	command, _ := process.Comm()
	executable, _ := process.Executable()
	label, _ := os.ReadFile(filepath.Join(h.proc, strconv.Itoa(process.PID), "attr", "current"))

	return &machine.ProcessInfo{
		Pid: int32(process.PID), Ppid: int32(stat.PPID), State: stat.State, Threads: int32(stat.NumThreads),
		CpuTime: stat.CPUTime(), VirtualMemory: uint64(stat.VirtualMemory()), ResidentMemory: uint64(stat.ResidentMemory()),
		Command: text(command), Executable: text(executable), Label: text(strings.Trim(string(label), "\x00\n")),
	}, true
}

// arguments are what a process was called with, or has made of it. Talos's client takes the first word of what is not
// empty, and crashes where there is none.
func arguments(args []string) string {
	line := strings.Join(args, " ")
	line = text(line[:min(len(line), longestArgs)])

	if strings.TrimSpace(line) == "" {
		return ""
	}

	return line
}
