package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
)

// patience is how long all file systems together may take to tell their sizes.
const patience = time.Second

// Mounts returns what is mounted for this process, in the kernel's order. A file system has no size where it does not tell
// one in time, as one whose server is gone, and where asking would mount it.
func (h *Host) Mounts(ctx context.Context) ([]*machine.MountStat, error) {
	file, err := os.Open(filepath.Join(h.proc, "self", "mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the mounts: %w", err)
	}
	defer file.Close()

	mounts, err := mountinfo.GetMountsFromReader(file, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot read the mounts: %w", err)
	}

	asked := make([]*question[size], len(mounts))

	for i, mount := range mounts {
		if mount.FSType != "autofs" {
			asked[i] = h.sizes.ask(mount.Mountpoint, func() size { return h.sizeOf(mount.Mountpoint) })
		}
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	stats := make([]*machine.MountStat, len(mounts))

	for i, mount := range mounts {
		size := asked[i].answer(ctx)
		stats[i] = &machine.MountStat{
			Filesystem: text(mount.Source), MountedOn: text(mount.Mountpoint), Size: size.total, Available: size.available,
		}
	}

	return stats, nil
}

// size is that of a file system in bytes.
type size struct{ total, available uint64 }

// sizeOf is empty for what is no directory, as in Talos: a file over which another is mounted has no size of its own.
func sizeOf(path string) size {
	var stat unix.Statfs_t

	if info, err := os.Stat(path); err != nil || !info.IsDir() || unix.Statfs(path, &stat) != nil {
		return size{}
	}

	return size{total: stat.Blocks * uint64(stat.Bsize), available: stat.Bavail * uint64(stat.Bsize)}
}
