package kernel

import (
	"context"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
)

const mountTable = `20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
21 20 0:4 / /proc rw - proc proc rw
22 20 0:5 / /with\040blank rw - tmpfs tmp\134fs rw
23 20 0:6 / /dead rw - nfs4 server:/export rw
24 20 0:7 / /lazy rw - autofs systemd-1 rw
`

// A file system that never answers is listed without a size, takes only the time that all have, and is not asked again;
// one that is mounted by the question is not asked at all.
func TestMounts(t *testing.T) {
	h := made(t, map[string]string{"proc/self/mountinfo": mountTable})

	dead, asked := make(chan struct{}), make(chan struct{}, 2)
	h.sizeOf = func(path string) size {
		switch path {
		case "/dead":
			asked <- struct{}{}
			<-dead
		case "/lazy":
			t.Error("an automount was asked")
		case "/proc":
			return size{}
		}

		return size{total: uint64(len(path)) << 20, available: uint64(len(path)) << 10}
	}

	want := []*machine.MountStat{
		{Filesystem: "/dev/sda1", MountedOn: "/", Size: 1 << 20, Available: 1 << 10},
		{Filesystem: "proc", MountedOn: "/proc"},
		{Filesystem: `tmp\fs`, MountedOn: "/with blank", Size: 11 << 20, Available: 11 << 10},
		{Filesystem: "server:/export", MountedOn: "/dead"},
		{Filesystem: "systemd-1", MountedOn: "/lazy"},
	}

	for range 2 {
		got, err := h.Mounts(t.Context())
		must(t, err)
		equal(t, got, want)
	}

	if len(asked) != 1 {
		t.Errorf("the dead one was asked %d times", len(asked))
	}

	question := h.sizes.ask("/dead", nil)
	close(dead)
	<-question.done

	answered := size{total: 5 << 20, available: 5 << 10}
	if got := question.answer(t.Context()); got != answered {
		t.Errorf("once it answers, its size is %v", got)
	}

	over, cancel := context.WithCancel(t.Context())
	cancel()

	if got := question.answer(over); got != answered {
		t.Errorf("what has answered is forgotten when the time is over: %v", got)
	}
}

func TestRealMounts(t *testing.T) {
	mounts, err := New().Mounts(t.Context())
	must(t, err)

	var stat unix.Statfs_t

	must(t, unix.Statfs("/", &stat))

	for _, mount := range mounts {
		if mount.GetMountedOn() == "/" && mount.GetSize() == stat.Blocks*uint64(stat.Bsize) && mount.GetAvailable() > 0 {
			return
		}
	}

	t.Errorf("the root is not among %v", mounts)
}
