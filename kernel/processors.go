package kernel

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
)

// LoadAvg returns how many processes ran or waited for a disk, on average over 1, 5 and 15 minutes.
func (h *Host) LoadAvg() (*machine.LoadAvg, error) {
	load, err := read(h, "the load average", procfs.FS.LoadAvg)
	if err != nil {
		return nil, err
	}

	return &machine.LoadAvg{Load1: load.Load1, Load5: load.Load5, Load15: load.Load15}, nil
}

// SystemStat returns /proc/stat; times are in seconds.
func (h *Host) SystemStat() (*machine.SystemStat, error) {
	stat, err := read(h, "the kernel's counters", procfs.FS.Stat)
	if err != nil {
		return nil, err
	}

	soft := stat.SoftIRQ

	return &machine.SystemStat{
		BootTime: stat.BootTime, CpuTotal: cpuStat(stat.CPUTotal), Cpu: cpuStats(stat.CPU),
		IrqTotal: stat.IRQTotal, Irq: stat.IRQ, ContextSwitches: stat.ContextSwitches,
		ProcessCreated: stat.ProcessCreated, ProcessRunning: stat.ProcessesRunning, ProcessBlocked: stat.ProcessesBlocked,
		SoftIrqTotal: stat.SoftIRQTotal,
		SoftIrq: &machine.SoftIRQStat{
			Hi: soft.Hi, Timer: soft.Timer, NetTx: soft.NetTx, NetRx: soft.NetRx, Block: soft.Block, BlockIoPoll: soft.BlockIoPoll,
			Tasklet: soft.Tasklet, Sched: soft.Sched, Hrtimer: soft.Hrtimer, Rcu: soft.Rcu,
		},
	}, nil
}

// cpuStats are in the order of the processors' numbers; one that is offline is there, and empty.
func cpuStats(stats map[int64]procfs.CPUStat) []*machine.CPUStat {
	var ordered []*machine.CPUStat

	for number, stat := range stats {
		for int64(len(ordered)) <= number {
			ordered = append(ordered, &machine.CPUStat{})
		}

		ordered[number] = cpuStat(stat)
	}

	return ordered
}

func cpuStat(stat procfs.CPUStat) *machine.CPUStat {
	return &machine.CPUStat{
		User: stat.User, Nice: stat.Nice, System: stat.System, Idle: stat.Idle, Iowait: stat.Iowait, Irq: stat.IRQ,
		SoftIrq: stat.SoftIRQ, Steal: stat.Steal, Guest: stat.Guest, GuestNice: stat.GuestNice,
	}
}

// CPUInfo returns /proc/cpuinfo. Most of its fields are there on some architectures only.
func (h *Host) CPUInfo() ([]*machine.CPUInfo, error) {
	found, err := read(h, "the processors", procfs.FS.CPUInfo)
	if err != nil {
		return nil, err
	}

	processors := make([]*machine.CPUInfo, len(found))
	for i, cpu := range found {
		processors[i] = &machine.CPUInfo{
			Processor: uint32(cpu.Processor), VendorId: text(cpu.VendorID), CpuFamily: cpu.CPUFamily, Model: cpu.Model, ModelName: text(cpu.ModelName),
			Stepping: cpu.Stepping, Microcode: cpu.Microcode, CpuMhz: cpu.CPUMHz, CacheSize: cpu.CacheSize, PhysicalId: cpu.PhysicalID,
			Siblings: uint32(cpu.Siblings), CoreId: cpu.CoreID, CpuCores: uint32(cpu.CPUCores), ApicId: cpu.APICID, InitialApicId: cpu.InitialAPICID,
			Fpu: cpu.FPU, FpuException: cpu.FPUException, CpuIdLevel: uint32(cpu.CPUIDLevel), Wp: cpu.WP, Flags: cpu.Flags, Bugs: cpu.Bugs,
			BogoMips: cpu.BogoMips, ClFlushSize: uint32(cpu.CLFlushSize), CacheAlignment: uint32(cpu.CacheAlignment),
			AddressSizes: cpu.AddressSizes, PowerManagement: cpu.PowerManagement,
		}
	}

	return processors, nil
}

// CPUFrequencies returns the clock rates of the processors in kHz, empty ones for processors that do not tell, as those of
// most virtual machines.
func (h *Host) CPUFrequencies() ([]*machine.CPUFreqStats, error) {
	const failed = "cannot read the frequencies of the processors: %w"

	sys, err := sysfs.NewFS(h.sys)
	if err != nil {
		return nil, fmt.Errorf(failed, err)
	}

	found, err := sys.SystemCpufreq()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, fmt.Errorf(failed, err)
	}

	frequencies := make([]*machine.CPUFreqStats, len(found))
	for i, cpu := range found {
		frequencies[i] = &machine.CPUFreqStats{
			CurrentFrequency: value(cpu.CpuinfoCurrentFrequency), MinimumFrequency: value(cpu.CpuinfoMinimumFrequency),
			MaximumFrequency: value(cpu.CpuinfoMaximumFrequency), Governor: text(cpu.Governor),
		}
	}

	return frequencies, nil
}
