package watch

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// virtual is a directory that is watched in virtual time with the real inotify: what the kernel has queued is handed over
// when the test says so, and no goroutine waits for the kernel.
type virtual struct {
	t         *testing.T
	directory string
	watchers  *Watchers
	calls     *times
	stop      func()
}

// times notes when calls come.
type times struct {
	start time.Time

	mu   sync.Mutex
	seen []time.Duration // since the start
}

func (c *times) call() {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.seen = append(c.seen, time.Since(c.start))
}

// take returns the times of the calls since it was last asked.
func (c *times) take() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()

	seen := c.seen
	c.seen = nil

	return seen
}

// inVirtualTime prepares the directory, begins to watch it, and runs the test.
func inVirtualTime(t *testing.T, prepare, test func(v *virtual)) {
	t.Helper()

	v := &virtual{directory: t.TempDir()}
	if prepare != nil {
		prepare(v)
	}

	synctest.Test(t, func(t *testing.T) {
		v.t = t

		watchers, err := New(unpolled())
		must(t, err)

		v.watchers = watchers

		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		must(t, err)

		tree := watchers.tree
		tree.inotify, tree.stopMounts, tree.done = os.NewFile(uintptr(fd), "inotify"), func() {}, make(chan struct{})
		tree.connection, err = tree.inotify.SyscallConn()
		must(t, err)
		close(tree.done)

		v.calls = &times{start: time.Now()}
		v.stop = watchers.Directory(v.directory, v.calls.call)

		test(v)
		v.stop()
		watchers.Close()
	})
}

// deliver hands over the kernel's events.
func (v *virtual) deliver() {
	v.t.Helper()

	buffer := make([]byte, 64<<10)

	must(v.t, v.watchers.tree.connection.Control(func(fd uintptr) {
		for {
			count, err := unix.Read(int(fd), buffer)
			if errors.Is(err, unix.EAGAIN) {
				return
			}

			if err != nil {
				v.t.Error(err)

				return
			}

			v.watchers.tree.parse(buffer[:count])
		}
	}))
}

// pass delivers and lets time pass.
func (v *virtual) pass(wait time.Duration) {
	v.t.Helper()
	v.deliver()
	<-time.After(wait)
	synctest.Wait()
	v.deliver()
}

// expect delivers, waits until everything has settled, and checks how many calls came since it was last asked.
func (v *virtual) expect(what string, calls int) {
	v.t.Helper()
	v.pass(time.Minute)

	if told := v.calls.take(); len(told) != calls {
		v.t.Errorf("%s: calls at %v, want %d", what, told, calls)
	}
}

func (v *virtual) at(name string) string { return filepath.Join(v.directory, name) }

func (v *virtual) write(name, content string) {
	must(v.t, os.WriteFile(v.at(name), []byte(content), 0o600))
}

func (v *virtual) rename(from, to string) { must(v.t, os.Rename(v.at(from), v.at(to))) }
func (v *virtual) remove(name string)     { must(v.t, os.Remove(v.at(name))) }
