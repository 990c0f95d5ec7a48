package kernel

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
)

// NetworkDevices returns the counters of the network interfaces, sorted by name, and their sum.
func (h *Host) NetworkDevices() (*machine.NetworkDeviceStats, error) {
	found, err := read(h, "the counters of network devices", procfs.FS.NetDev)
	if err != nil {
		return nil, err
	}

	stats := &machine.NetworkDeviceStats{Total: netDev(found.Total())}
	for _, device := range found {
		stats.Devices = append(stats.Devices, netDev(device))
	}

	slices.SortFunc(stats.Devices, func(a, b *machine.NetDev) int { return cmp.Compare(a.GetName(), b.GetName()) })

	return stats, nil
}

func netDev(line procfs.NetDevLine) *machine.NetDev {
	return &machine.NetDev{
		Name:    text(line.Name),
		RxBytes: line.RxBytes, RxPackets: line.RxPackets, RxErrors: line.RxErrors, RxDropped: line.RxDropped, RxFifo: line.RxFIFO,
		RxFrame: line.RxFrame, RxCompressed: line.RxCompressed, RxMulticast: line.RxMulticast,
		TxBytes: line.TxBytes, TxPackets: line.TxPackets, TxErrors: line.TxErrors, TxDropped: line.TxDropped, TxFifo: line.TxFIFO,
		TxCollisions: line.TxCollisions, TxCarrier: line.TxCarrier, TxCompressed: line.TxCompressed,
	}
}

// Disks returns the counters of the block devices, partitions among them, and the sum of all, as Talos counts.
func (h *Host) Disks() (*machine.DiskStats, error) {
	const failed = "cannot read the counters of disks: %w"

	devices, err := blockdevice.NewFS(h.proc, h.sys)
	if err != nil {
		return nil, fmt.Errorf(failed, err)
	}

	found, err := devices.ProcDiskstats()
	if err != nil {
		return nil, fmt.Errorf(failed, err)
	}

	stats := &machine.DiskStats{Total: &machine.DiskStat{}}

	for _, disk := range found {
		stats.Devices = append(stats.Devices, diskStat(disk))
		add(stats.Total, disk)
	}

	return stats, nil
}

func diskStat(disk blockdevice.Diskstats) *machine.DiskStat {
	stat := &machine.DiskStat{Name: text(disk.DeviceName)}
	add(stat, disk)

	return stat
}

func add(to *machine.DiskStat, disk blockdevice.Diskstats) {
	to.ReadCompleted += disk.ReadIOs
	to.ReadMerged += disk.ReadMerges
	to.ReadSectors += disk.ReadSectors
	to.ReadTimeMs += disk.ReadTicks
	to.WriteCompleted += disk.WriteIOs
	to.WriteMerged += disk.WriteMerges
	to.WriteSectors += disk.WriteSectors
	to.WriteTimeMs += disk.WriteTicks
	to.IoInProgress += disk.IOsInProgress
	to.IoTimeMs += disk.IOsTotalTicks
	to.IoTimeWeightedMs += disk.WeightedIOTicks
	to.DiscardCompleted += disk.DiscardIOs
	to.DiscardMerged += disk.DiscardMerges
	to.DiscardSectors += disk.DiscardSectors
	to.DiscardTimeMs += disk.DiscardTicks
}
