package kernel

import (
	"github.com/prometheus/procfs"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
)

// Memory returns /proc/meminfo: kibibytes, and pages where it counts huge pages. A line that this kernel does not have is 0.
func (h *Host) Memory() (*machine.MemInfo, error) {
	info, err := read(h, "the use of memory", procfs.FS.Meminfo)
	if err != nil {
		return nil, err
	}

	return &machine.MemInfo{
		Memtotal: value(info.MemTotal), Memfree: value(info.MemFree), Memavailable: value(info.MemAvailable),
		Buffers: value(info.Buffers), Cached: value(info.Cached), Swapcached: value(info.SwapCached),
		Active: value(info.Active), Inactive: value(info.Inactive),
		Activeanon: value(info.ActiveAnon), Inactiveanon: value(info.InactiveAnon),
		Activefile: value(info.ActiveFile), Inactivefile: value(info.InactiveFile),
		Unevictable: value(info.Unevictable), Mlocked: value(info.Mlocked),
		Swaptotal: value(info.SwapTotal), Swapfree: value(info.SwapFree),
		Dirty: value(info.Dirty), Writeback: value(info.Writeback),
		Anonpages: value(info.AnonPages), Mapped: value(info.Mapped), Shmem: value(info.Shmem),
		Slab: value(info.Slab), Sreclaimable: value(info.SReclaimable), Sunreclaim: value(info.SUnreclaim),
		Kernelstack: value(info.KernelStack), Pagetables: value(info.PageTables),
		Nfsunstable: value(info.NFSUnstable), Bounce: value(info.Bounce), Writebacktmp: value(info.WritebackTmp),
		Commitlimit: value(info.CommitLimit), Committedas: value(info.CommittedAS),
		Vmalloctotal: value(info.VmallocTotal), Vmallocused: value(info.VmallocUsed), Vmallocchunk: value(info.VmallocChunk),
		Hardwarecorrupted: value(info.HardwareCorrupted),
		Anonhugepages:     value(info.AnonHugePages), Shmemhugepages: value(info.ShmemHugePages), Shmempmdmapped: value(info.ShmemPmdMapped),
		Cmatotal: value(info.CmaTotal), Cmafree: value(info.CmaFree),
		Hugepagestotal: value(info.HugePagesTotal), Hugepagesfree: value(info.HugePagesFree),
		Hugepagesrsvd: value(info.HugePagesRsvd), Hugepagessurp: value(info.HugePagesSurp), Hugepagesize: value(info.Hugepagesize),
		Directmap4K: value(info.DirectMap4k), Directmap2M: value(info.DirectMap2M), Directmap1G: value(info.DirectMap1G),
	}, nil
}

// value is what a pointer leads to, or zero.
func value[T any](pointer *T) T {
	if pointer == nil {
		var none T

		return none
	}

	return *pointer
}
