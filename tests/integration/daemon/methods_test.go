package daemon_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/oci/cgroup"
)

// Talos's methods about containers tell what containerd, the cgroups and the logs have.
func TestTalosMethods(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("big", "restart: always", "allocate", "64", "print", "allocated", "serve")
	h.service("halted", "restart: always", "serve")
	h.service("waits", "restart: always\ndepends: [{path: "+h.dir+"/never}]", "serve")

	d := h.start()
	d.started(t, 0, "ext-halted")
	d.state(t, "ext-waits", "Waiting")
	h.printed("ext-big", "allocated")
	h.cli("service", "halted", "stop").done(t)

	pid := d.state(t, "ext-big", "Running").GetPid()

	containers, err := d.client.Machine.Containers(t.Context(), &machine.ContainersRequest{Namespace: "system"})
	must(t, err)

	if listed := containers.GetMessages()[0].GetContainers(); len(listed) != 1 || listed[0].GetId() != "ext-big" ||
		listed[0].GetPid() != pid || listed[0].GetStatus() != "RUNNING" || listed[0].GetImage() != "" {
		t.Errorf("containers are %v", listed)
	}

	usedBefore := h.processorTime(t, "ext-big")
	stats, err := d.client.Machine.Stats(t.Context(), &machine.StatsRequest{Namespace: "system"})
	must(t, err)

	listed := stats.GetMessages()[0].GetStats()
	if len(listed) != 1 || listed[0].GetId() != "ext-big" {
		t.Fatalf("stats are %v", listed)
	}

	if used := listed[0].GetCpuUsage(); used < usedBefore || used > h.processorTime(t, "ext-big") {
		t.Errorf("processor time is %d, before it was %d", used, usedBefore)
	}

	peak, err := strconv.ParseUint(readLimit(t, h.cgroup()+"/ext-big", []string{"memory.max_usage_in_bytes", "memory.peak"}), 10, 64)
	must(t, err)

	if used := listed[0].GetMemoryUsage(); used < 64<<20 || used > peak {
		t.Errorf("memory is %d, and was at most %d", used, peak)
	}

	logs, err := d.client.Machine.LogsContainers(t.Context(), &emptypb.Empty{})
	must(t, err)

	ids := logs.GetMessages()[0].GetIds()
	if !slices.Contains(ids, "ext-big") || !slices.Contains(ids, "ext-halted") {
		t.Errorf("there are logs of %v", ids)
	}

	for _, id := range ids {
		text := d.talosLog(t, &machine.LogsRequest{Namespace: "system", Id: id, TailLines: 1})
		if id == "ext-big" && text != "allocated\n" || id != "ext-big" && text != "" {
			t.Errorf("the last line of %s is %q", id, text)
		}
	}
}

// processorTime is what the kernel has counted for a service, in nanoseconds.
func (h *host) processorTime(t *testing.T, id string) uint64 {
	t.Helper()

	directories, err := cgroup.Directories(h.cgroup() + "/" + id)
	must(t, err)

	for _, directory := range directories {
		var nanoseconds, microseconds uint64

		text, _ := os.ReadFile(filepath.Join(directory, "cpuacct.usage"))
		if _, err := fmt.Sscan(string(text), &nanoseconds); err == nil {
			return nanoseconds
		}

		text, _ = os.ReadFile(filepath.Join(directory, "cpu.stat"))
		if _, err := fmt.Sscanf(string(text), "usage_usec %d", &microseconds); err == nil && microseconds > 0 {
			return microseconds * 1000
		}
	}

	t.Fatalf("no processor time is counted in %v", directories)

	return 0
}

func (d *daemon) talosLog(t *testing.T, request *machine.LogsRequest) string {
	t.Helper()

	stream, err := d.client.Machine.Logs(t.Context(), request)
	must(t, err)

	var text strings.Builder

	for {
		data, err := stream.Recv()
		if err == io.EOF {
			return text.String()
		}

		must(t, err)
		text.Write(data.GetBytes())
	}
}

// Talos's methods about the host tell what /proc tells.
func TestTalosHost(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("steady", "restart: always", "print", "ready", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")
	h.printed("ext-steady", "ready") // until then its process has arguments of the OCI runtime

	client, empty := d.client.Machine, &emptypb.Empty{}

	pidsBefore := pids(t)
	processes, err := client.Processes(t.Context(), empty)
	must(t, err)

	told := map[string]*machine.ProcessInfo{}
	for _, process := range processes.GetMessages()[0].GetProcesses() {
		told[strconv.Itoa(int(process.GetPid()))] = process
	}

	for _, pid := range pids(t) { // what was there before and after was there meanwhile
		if slices.Contains(pidsBefore, pid) && told[pid] == nil {
			t.Errorf("process %s is missing", pid)
		}
	}

	pid := strconv.Itoa(int(d.state(t, "ext-steady", "Running").GetPid()))
	if one := told[pid]; one.GetExecutable() != "/program" || one.GetArgs() != "./program print ready serve" || one.GetCommand() != "program" ||
		one.GetPpid() == 0 || one.GetThreads() == 0 || one.GetVirtualMemory() < one.GetResidentMemory() || one.GetResidentMemory() == 0 {
		t.Errorf("the process of the service is told as %v", one)
	}

	memory, err := client.Memory(t.Context(), empty)
	must(t, err)

	if total := memory.GetMessages()[0].GetMeminfo().GetMemtotal(); !strings.Contains(proc(t, "meminfo"), fmt.Sprintf(" %d kB\n", total)) {
		t.Errorf("the memory is %d kB, and /proc/meminfo has:\n%s", total, proc(t, "meminfo"))
	}

	for before := proc(t, "loadavg"); ; { // until it does not change meanwhile
		load, err := client.LoadAvg(t.Context(), empty)
		must(t, err)

		one := load.GetMessages()[0]
		after := proc(t, "loadavg")

		if averages := fmt.Sprintf("%.2f %.2f %.2f ", one.GetLoad1(), one.GetLoad5(), one.GetLoad15()); strings.HasPrefix(after, averages) {
			break
		} else if strings.HasPrefix(after, before[:len(averages)]) {
			t.Fatalf("the load is %s, not %s", averages, after)
		}

		before = after
	}

	stat, err := client.SystemStat(t.Context(), empty)
	must(t, err)

	if booted := stat.GetMessages()[0].GetBootTime(); !strings.Contains(proc(t, "stat"), fmt.Sprintf("btime %d\n", booted)) {
		t.Errorf("the host was booted at %d", booted)
	}

	h.talosDevices(t, d)
	h.talosKernel(t, d)
}

// talosDevices is the part of the host that is made of lists.
func (h *host) talosDevices(t *testing.T, d *daemon) {
	t.Helper()

	client, empty := d.client.Machine, &emptypb.Empty{}

	processors, err := client.CPUInfo(t.Context(), empty)
	must(t, err)

	if count := len(processors.GetMessages()[0].GetCpuInfo()); count != strings.Count(proc(t, "cpuinfo"), "processor\t") {
		t.Errorf("there are %d processors", count)
	}

	_, err = client.CPUFreqStats(t.Context(), empty)
	must(t, err)

	for before := ""; ; { // until none comes or goes meanwhile. Threads, the first one too, may be in namespaces of other tests
		network, err := client.NetworkDeviceStats(t.Context(), empty)
		must(t, err)

		devices, after := network.GetMessages()[0].GetDevices(), proc(t, "thread-self/net/dev")
		if len(devices) == strings.Count(after, "\n")-2 && network.GetMessages()[0].GetTotal() != nil {
			break
		}

		if strings.Count(before, "\n") == strings.Count(after, "\n") {
			t.Fatalf("network devices are %v, and not\n%s", devices, after)
		}

		before = after
	}

	disks, err := client.DiskStats(t.Context(), empty)
	must(t, err)

	if devices := disks.GetMessages()[0].GetDevices(); len(devices) != strings.Count(proc(t, "diskstats"), "\n") || disks.GetMessages()[0].GetTotal() == nil {
		t.Errorf("disks are %v", devices)
	}

	mounts, err := client.Mounts(t.Context(), empty)
	must(t, err)

	if !slices.ContainsFunc(mounts.GetMessages()[0].GetStats(), func(mount *machine.MountStat) bool { return mount.GetMountedOn() == "/" && mount.GetSize() > 0 }) {
		t.Errorf("the root is not among %v", mounts)
	}
}

// talosKernel is its name and its log.
func (h *host) talosKernel(t *testing.T, d *daemon) {
	t.Helper()

	name, err := d.client.Machine.Hostname(t.Context(), &emptypb.Empty{})
	must(t, err)
	equalText(t, name.GetMessages()[0].GetHostname()+"\n", proc(t, "sys/kernel/hostname"))

	if unix.Access("/dev/kmsg", unix.R_OK) != nil {
		return
	}

	stream, err := d.client.Machine.Dmesg(t.Context(), &machine.DmesgRequest{})
	must(t, err)

	for {
		line, err := stream.Recv()
		if err == io.EOF {
			break
		}

		must(t, err)
		matches(t, "a line of the log", string(line.GetBytes()), `(?s)[a-z0-9]+: +[a-z]+: \[20[^]]*Z\]: .*\n`)
	}
}

func proc(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile("/proc/" + name)
	must(t, err)

	return string(text)
}

// pids are the processes of the host.
func pids(t *testing.T) (found []string) {
	t.Helper()

	entries, err := os.ReadDir("/proc")
	must(t, err)

	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err == nil {
			found = append(found, entry.Name())
		}
	}

	return found
}
