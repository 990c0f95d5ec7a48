package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/proto"
)

// stat is a line of /proc/PID/stat.
func stat(pid, command string) string {
	return pid + " (" + command + ") S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1048576 64 18446744073709551615 " +
		strings.Repeat("0 ", 26) + "0\n"
}

func TestProcesses(t *testing.T) {
	const deepest = "/opt/\xffprogram"

	h := made(t, map[string]string{
		"proc/7/stat": stat("7", "od) d (name"), "proc/7/comm": "od) d (name\n", "proc/7/cmdline": "program\x00--flag\x00two words\x00",
		"proc/7/attr/current": "system_u:system_r:init_t:s0\x00",
		"proc/12/stat":        stat("12", "kthreadd"), "proc/12/comm": "kthreadd\n", "proc/12/cmdline": "",
		"proc/101/stat": stat("101", "blank"), "proc/101/comm": "bl\xffnk\n", "proc/101/cmdline": " \x00\x00 ", "proc/101/attr/current": "unconfined\n",
		"proc/102/stat": stat("102", "long"), "proc/102/comm": "long\n", "proc/102/cmdline": strings.Repeat("a", 100_000),
		"proc/103/stat": "103 (broken", "proc/104/comm": "gone\n", "proc/self/stat": "", "proc/version": "Linux",
	})
	must(t, os.Symlink(deepest, filepath.Join(h.proc, "7", "exe")))

	got, err := h.Processes()
	must(t, err)

	process := func(pid int32, command, executable, args, label string) *machine.ProcessInfo {
		return &machine.ProcessInfo{
			Pid: pid, Ppid: 1, State: "S", Threads: 3, CpuTime: 3, VirtualMemory: 1048576, ResidentMemory: 64 * uint64(os.Getpagesize()),
			Command: command, Executable: executable, Args: args, Label: label,
		}
	}

	equal(t, got, []*machine.ProcessInfo{
		process(7, "od) d (name", "/opt/\uFFFDprogram", "program --flag two words", "system_u:system_r:init_t:s0"),
		process(12, "kthreadd", "", "", ""),
		process(101, "bl\uFFFDnk", "", "", "unconfined"), // arguments without a word would crash Talos's client
		process(102, "long", "", strings.Repeat("a", 16<<10), ""),
	})

	_, err = proto.Marshal(&machine.Process{Processes: got})
	must(t, err)
}

// A process whose memory is locked is told without its arguments, and is not asked for them again.
func TestProcessThatHangs(t *testing.T) {
	h := made(t, map[string]string{
		"proc/7/stat": stat("7", "hangs"), "proc/7/comm": "hangs\n", "proc/7/cmdline": "hangs\x00",
		"proc/8/stat": stat("8", "works"), "proc/8/comm": "works\n", "proc/8/cmdline": "works\x00",
	})

	locked, asked := make(chan struct{}), make(chan struct{}, 2)
	h.commandLine = func(process procfs.Proc) []string {
		if process.PID == 7 {
			asked <- struct{}{}
			<-locked
		}

		return commandLine(process)
	}

	args := func() (told []string) {
		processes, err := h.Processes()
		must(t, err)

		for _, process := range processes {
			told = append(told, process.GetCommand()+": "+process.GetArgs())
		}

		return told
	}

	for range 2 {
		equal(t, args(), []string{"hangs: ", "works: works"})
	}

	if len(asked) != 1 {
		t.Errorf("it was asked %d times", len(asked))
	}

	question := h.commandLines.ask("7", nil)
	close(locked)
	<-question.done
	equal(t, question.answer(t.Context()), []string{"hangs"})
}

// A process of this host is told as it was started, and a thread of the kernel is a process too.
func TestRealProcesses(t *testing.T) {
	child := exec.Command("sleep", "1000")
	must(t, child.Start())

	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()

	processes, err := New().Processes()
	must(t, err)

	find := func(pid int) *machine.ProcessInfo {
		index := slices.IndexFunc(processes, func(process *machine.ProcessInfo) bool { return int(process.GetPid()) == pid })
		if index < 0 {
			t.Fatalf("there is no process %d", pid)
		}

		return processes[index]
	}

	executable, err := os.Readlink("/proc/" + strconv.Itoa(child.Process.Pid) + "/exe")
	must(t, err)

	sleep := find(child.Process.Pid)
	if int(sleep.GetPpid()) != os.Getpid() || sleep.GetCommand() != filepath.Base(executable) && sleep.GetCommand() != "sleep" ||
		sleep.GetExecutable() != executable || sleep.GetArgs() != "sleep 1000" || sleep.GetThreads() != 1 || sleep.GetVirtualMemory() == 0 {
		t.Errorf("the child is told as %v", sleep)
	}

	if self := find(os.Getpid()); self.GetState() == "" || self.GetResidentMemory() == 0 || self.GetThreads() < 2 {
		t.Errorf("this process is told as %v", self)
	}

	if first := processes[0]; first.GetPid() != 1 || first.GetPpid() != 0 {
		t.Errorf("the first process is %v", first)
	}
}
