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

	questions := make([]*question, len(mounts))

	for i, mount := range mounts {
		if mount.FSType != "autofs" {
			questions[i] = h.ask(mount.Mountpoint)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	stats := make([]*machine.MountStat, len(mounts))

	for i, mount := range mounts {
		size := questions[i].answer(ctx)
		stats[i] = &machine.MountStat{
			Filesystem: text(mount.Source), MountedOn: text(mount.Mountpoint), Size: size.total, Available: size.available,
		}
	}

	return stats, nil
}

// size is that of a file system in bytes.
type size struct{ total, available uint64 }

// question waits for a file system to answer. It may never do so: the question goes on in its own goroutine, and nobody
// asks again meanwhile.
type question struct {
	done chan struct{}
	size size // once done is closed
}

func (h *Host) ask(path string) *question {
	h.mu.Lock()
	defer h.mu.Unlock()

	if earlier := h.asked[path]; earlier != nil {
		return earlier
	}

	asked := &question{done: make(chan struct{})}
	h.asked[path] = asked

	go func() {
		asked.size = h.sizeOf(path)
		close(asked.done)

		h.mu.Lock()
		delete(h.asked, path)
		h.mu.Unlock()
	}()

	return asked
}

// answer waits as long as the context lasts. A question that was not asked has none.
func (q *question) answer(ctx context.Context) size {
	if q == nil {
		return size{}
	}

	select {
	case <-q.done:
		return q.size
	case <-ctx.Done():
	}

	select {
	case <-q.done: // others took all the time, not this one
		return q.size
	default:
		return size{}
	}
}

// sizeOf is empty for what is no directory, as in Talos: a file over which another is mounted has no size of its own.
func sizeOf(path string) size {
	var stat unix.Statfs_t

	if info, err := os.Stat(path); err != nil || !info.IsDir() || unix.Statfs(path, &stat) != nil {
		return size{}
	}

	return size{total: stat.Blocks * uint64(stat.Bsize), available: stat.Bavail * uint64(stat.Bsize)}
}
