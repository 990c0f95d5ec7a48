package kernel

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
)

// made is a host whose files the test wrote.
func made(t *testing.T, files map[string]string) *Host {
	t.Helper()

	h := New()
	h.proc, h.sys = filepath.Join(t.TempDir(), "proc"), filepath.Join(t.TempDir(), "sys")

	for _, directory := range []string{h.proc, h.sys} {
		must(t, os.MkdirAll(directory, 0o755))
	}

	for name, text := range files {
		path := filepath.Join(filepath.Dir(h.proc), name)
		if strings.HasPrefix(name, "sys/") {
			path = filepath.Join(filepath.Dir(h.sys), name)
		}

		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}

	return h
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every field of Talos's message is a line of /proc/meminfo, and no two are the same.
func TestMemoryHasEveryField(t *testing.T) {
	fields := (&machine.MemInfo{}).ProtoReflect().Descriptor().Fields()
	lines := map[string]string{ // those that are written otherwise than the field
		"sreclaimable": "SReclaimable", "sunreclaim": "SUnreclaim", "activeanon": "Active(anon)", "inactiveanon": "Inactive(anon)",
		"activefile": "Active(file)", "inactivefile": "Inactive(file)", "anonhugepages": "AnonHugePages", "anonpages": "AnonPages",
		"memtotal": "MemTotal", "memfree": "MemFree", "memavailable": "MemAvailable", "swapcached": "SwapCached",
		"swaptotal": "SwapTotal", "swapfree": "SwapFree", "kernelstack": "KernelStack", "pagetables": "PageTables",
		"nfsunstable": "NFS_Unstable", "writebacktmp": "WritebackTmp", "commitlimit": "CommitLimit", "committedas": "Committed_AS",
		"vmalloctotal": "VmallocTotal", "vmallocused": "VmallocUsed", "vmallocchunk": "VmallocChunk",
		"hardwarecorrupted": "HardwareCorrupted", "shmemhugepages": "ShmemHugePages", "shmempmdmapped": "ShmemPmdMapped",
		"cmatotal": "CmaTotal", "cmafree": "CmaFree", "hugepagestotal": "HugePages_Total", "hugepagesfree": "HugePages_Free",
		"hugepagesrsvd": "HugePages_Rsvd", "hugepagessurp": "HugePages_Surp", "directmap4k": "DirectMap4k",
		"directmap2m": "DirectMap2M", "directmap1g": "DirectMap1G",
	}

	var text strings.Builder

	want := &machine.MemInfo{}

	for i := range fields.Len() {
		field := fields.Get(i)
		line := lines[string(field.Name())]

		if line == "" {
			name := string(field.Name())
			line = strings.ToUpper(name[:1]) + name[1:]
		}

		unit := " kB"
		if strings.HasPrefix(line, "HugePages_") {
			unit = ""
		}

		text.WriteString(line + ":   " + strconv.Itoa(1000+i) + unit + "\n")
		want.ProtoReflect().Set(field, protoreflect.ValueOfUint64(uint64(1000+i)))
	}

	got, err := made(t, map[string]string{"proc/meminfo": text.String()}).Memory()
	must(t, err)
	equal(t, got, want)
}

func TestCounters(t *testing.T) {
	h := made(t, map[string]string{
		"proc/loadavg": "0.25 1.50 3.75 2/345 6789\n",
		"proc/stat": "cpu  100 200 300 400 500 600 700 800 900 1000\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu2 100 0 0 0 0 0 0 0 0 0\n" +
			"intr 77 1 0 2\nctxt 12\nbtime 1700000000\nprocesses 34\nprocs_running 5\nprocs_blocked 6\nsoftirq 55 1 2 3 4 5 6 7 8 9 10\n",
		"proc/net/dev": "Inter-|   Receive                                                |  Transmit\n" +
			" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
			"  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0: 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160\n",
		"proc/diskstats": "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   8       1 sda1 10 20 30 40 50 60 70 80 90 100 110\n",
	})

	load, err := h.LoadAvg()
	must(t, err)
	equal(t, load, &machine.LoadAvg{Load1: 0.25, Load5: 1.5, Load15: 3.75})

	stat, err := h.SystemStat()
	must(t, err)
	equal(t, stat, &machine.SystemStat{
		BootTime: 1700000000, IrqTotal: 77, Irq: []uint64{1, 0, 2}, ContextSwitches: 12, ProcessCreated: 34, ProcessRunning: 5, ProcessBlocked: 6,
		CpuTotal: &machine.CPUStat{User: 1, Nice: 2, System: 3, Idle: 4, Iowait: 5, Irq: 6, SoftIrq: 7, Steal: 8, Guest: 9, GuestNice: 10},
		Cpu: []*machine.CPUStat{
			{User: .01, Nice: .02, System: .03, Idle: .04, Iowait: .05, Irq: .06, SoftIrq: .07, Steal: .08, Guest: .09, GuestNice: .10}, {}, {User: 1},
		},
		SoftIrqTotal: 55,
		SoftIrq:      &machine.SoftIRQStat{Hi: 1, Timer: 2, NetTx: 3, NetRx: 4, Block: 5, BlockIoPoll: 6, Tasklet: 7, Sched: 8, Hrtimer: 9, Rcu: 10},
	})

	network, err := h.NetworkDevices()
	must(t, err)

	eth0 := &machine.NetDev{
		Name: "eth0", RxBytes: 10, RxPackets: 20, RxErrors: 30, RxDropped: 40, RxFifo: 50, RxFrame: 60, RxCompressed: 70, RxMulticast: 80,
		TxBytes: 90, TxPackets: 100, TxErrors: 110, TxDropped: 120, TxFifo: 130, TxCollisions: 140, TxCarrier: 150, TxCompressed: 160,
	}
	lo := &machine.NetDev{
		Name: "lo", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, RxFifo: 5, RxFrame: 6, RxCompressed: 7, RxMulticast: 8,
		TxBytes: 9, TxPackets: 10, TxErrors: 11, TxDropped: 12, TxFifo: 13, TxCollisions: 14, TxCarrier: 15, TxCompressed: 16,
	}
	equal(t, network.GetDevices(), []*machine.NetDev{eth0, lo})

	if total := network.GetTotal(); total.GetRxBytes() != 11 || total.GetTxCompressed() != 176 {
		t.Errorf("the sum is %v", total)
	}

	disks, err := h.Disks()
	must(t, err)

	sda := &machine.DiskStat{
		Name: "sda", ReadCompleted: 1, ReadMerged: 2, ReadSectors: 3, ReadTimeMs: 4, WriteCompleted: 5, WriteMerged: 6, WriteSectors: 7,
		WriteTimeMs: 8, IoInProgress: 9, IoTimeMs: 10, IoTimeWeightedMs: 11, DiscardCompleted: 12, DiscardMerged: 13, DiscardSectors: 14, DiscardTimeMs: 15,
	}
	sda1 := &machine.DiskStat{ // of a kernel that does not count discards
		Name: "sda1", ReadCompleted: 10, ReadMerged: 20, ReadSectors: 30, ReadTimeMs: 40, WriteCompleted: 50, WriteMerged: 60, WriteSectors: 70,
		WriteTimeMs: 80, IoInProgress: 90, IoTimeMs: 100, IoTimeWeightedMs: 110,
	}
	total := &machine.DiskStat{
		ReadCompleted: 11, ReadMerged: 22, ReadSectors: 33, ReadTimeMs: 44, WriteCompleted: 55, WriteMerged: 66, WriteSectors: 77, WriteTimeMs: 88,
		IoInProgress: 99, IoTimeMs: 110, IoTimeWeightedMs: 121, DiscardCompleted: 12, DiscardMerged: 13, DiscardSectors: 14, DiscardTimeMs: 15,
	}
	equal(t, disks, &machine.DiskStats{Total: total, Devices: []*machine.DiskStat{sda, sda1}})
}

func TestFrequencies(t *testing.T) {
	const cpu = "sys/devices/system/cpu/"

	h := made(t, map[string]string{
		cpu + "offline": "\n", cpu + "cpu0/cpufreq/cpuinfo_cur_freq": "1200000\n", cpu + "cpu0/cpufreq/cpuinfo_min_freq": "800000\n",
		cpu + "cpu0/cpufreq/cpuinfo_max_freq": "2400000\n", cpu + "cpu0/cpufreq/scaling_governor": "schedutil\n",
		cpu + "cpu0/cpufreq/scaling_available_governors": "schedutil\n", cpu + "cpu0/cpufreq/scaling_driver": "acpi\n",
		cpu + "cpu0/cpufreq/related_cpus": "0\n", cpu + "cpu0/cpufreq/scaling_setspeed": "<unsupported>\n",
		cpu + "cpu1/online": "1\n", // a processor that does not tell
	})

	got, err := h.CPUFrequencies()
	must(t, err)
	equal(t, got, []*machine.CPUFreqStats{
		{CurrentFrequency: 1200000, MinimumFrequency: 800000, MaximumFrequency: 2400000, Governor: "schedutil"}, {},
	})

	got, err = made(t, nil).CPUFrequencies()
	must(t, err)

	if len(got) > 0 {
		t.Errorf("a host without frequencies has %v", got)
	}
}

// What cannot be read is an error that says what was wanted, and nothing is made up.
func TestUnreadable(t *testing.T) {
	h := made(t, map[string]string{"proc/loadavg": "nonsense\n", "proc/meminfo": "MemTotal: many kB\n"})

	for what, ask := range map[string]func() (any, error){
		"the load average":                func() (any, error) { return h.LoadAvg() },
		"the use of memory":               func() (any, error) { return h.Memory() },
		"the kernel's counters":           func() (any, error) { return h.SystemStat() },
		"the processors":                  func() (any, error) { return h.CPUInfo() },
		"the counters of network devices": func() (any, error) { return h.NetworkDevices() },
		"the counters of disks":           func() (any, error) { return h.Disks() },
		"the mounts":                      func() (any, error) { return h.Mounts(t.Context()) },
	} {
		if _, err := ask(); err == nil || !strings.HasPrefix(err.Error(), "cannot read "+what+": ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The real thing: what the kernel of this host says is understood, and can be sent.
func TestRealHost(t *testing.T) {
	h := New()

	name, err := h.Hostname()
	must(t, err)

	if real, _ := os.ReadFile("/proc/sys/kernel/hostname"); name != strings.TrimSpace(string(real)) {
		t.Errorf("the host is called %q, not %q", real, name)
	}

	memory, err := h.Memory()
	must(t, err)

	if memory.GetMemtotal() == 0 || memory.GetMemtotal() < memory.GetMemfree() {
		t.Errorf("memory %v", memory)
	}

	stat, err := h.SystemStat()
	must(t, err)

	processors, err := h.CPUInfo()
	must(t, err)

	if len(stat.GetCpu()) == 0 || len(processors) == 0 {
		t.Errorf("%d processors have counters, %d tell what they are", len(stat.GetCpu()), len(processors))
	}

	network, err := h.NetworkDevices()
	must(t, err)

	disks, err := h.Disks()
	must(t, err)

	frequencies, err := h.CPUFrequencies()
	must(t, err)

	for _, message := range []proto.Message{
		memory, stat, network, disks, &machine.CPUsInfo{CpuInfo: processors}, &machine.CPUsFreqStats{CpuFreqStats: frequencies},
	} {
		if _, err := proto.Marshal(message); err != nil {
			t.Error(err)
		}
	}
}
