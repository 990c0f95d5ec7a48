package watch

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// calls counts the calls for one directory.
type calls struct {
	t     testing.TB
	stop  func()
	count atomic.Int64
	more  chan struct{}
	since time.Time // when the change that is awaited was begun
}

func watchDirectory(t testing.TB, watchers *Watchers, directory string) *calls {
	t.Helper()

	c := &calls{t: t, more: make(chan struct{}, 1), since: time.Now()}
	c.stop = watchers.Directory(directory, func() {
		c.count.Add(1)

		select {
		case c.more <- struct{}{}:
		default:
		}
	})

	return c
}

// after makes a change and waits for the call. There may be more than one only where that took longer than it takes
// changes to settle.
func (c *calls) after(what string, change func()) {
	c.t.Helper()

	c.since = time.Now()
	change()

	select {
	case <-c.more:
	case <-time.After(patience):
		c.t.Fatalf("%s: no call", what)
	}

	if count := c.count.Swap(0); count > int64(time.Since(c.since)/settleTime) {
		c.t.Errorf("%s: %d calls in %s", what, count, time.Since(c.since))
	}
}

func TestDirectoryIsFollowed(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "a/b")
	c := watchDirectory(t, start(t, unpolled()), directory)

	c.after("appears", func() { must(t, os.MkdirAll(directory, 0o700)) })
	c.after("added", func() { touch(t, filepath.Join(directory, "file")) })
	c.after("written", func() { must(t, os.WriteFile(filepath.Join(directory, "file"), []byte("1"), 0o600)) })
	c.after("disappears", func() { must(t, os.RemoveAll(filepath.Dir(directory))) })
	c.stop()
	eventually(t, "no kernel watch is left", func() bool { return kernelWatches(t) == 0 })
}

// A path observer of the same directory asks the kernel for less. Neither may take from the other.
func TestDirectoryBesideAPath(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "file")
	touch(t, name)

	watchers := start(t, unpolled())
	before := watchFacts(t, watchers, path(name))
	before.met(true)

	c := watchDirectory(t, watchers, directory)
	after := watchFacts(t, watchers, path(filepath.Join(directory, "other")))
	after.met(false)

	c.after("written", func() { must(t, os.WriteFile(name, []byte("1"), 0o600)) })
	c.stop()
	touch(t, filepath.Join(directory, "other"))
	after.met(true)
	must(t, os.Remove(name))
	before.met(false)
}

func TestDirectoryUnderAMount(t *testing.T) {
	needRoot(t)

	ancestor := t.TempDir()
	directory := filepath.Join(ancestor, "a/b")
	must(t, os.MkdirAll(directory, 0o700))
	touch(t, filepath.Join(directory, "file"))

	c := watchDirectory(t, start(t, unpolled()), directory)
	mount := func(over string) {
		if err := unix.Mount("tmpfs", over, "tmpfs", 0, ""); err != nil {
			skip(t, "cannot mount: "+err.Error())
		}

		t.Cleanup(func() { _ = unix.Unmount(over, unix.MNT_DETACH) })
	}

	c.after("over it", func() { mount(directory) })
	c.after("added there", func() { touch(t, filepath.Join(directory, "new")) })
	c.after("unmounted", func() { must(t, unix.Unmount(directory, 0)) })
	c.after("over an ancestor", func() { mount(filepath.Join(ancestor, "a")) })
	c.after("it appears there", func() { must(t, os.Mkdir(directory, 0o700)) })
	c.after("unmounted again", func() { must(t, unix.Unmount(filepath.Join(ancestor, "a"), 0)) })
	c.after("written", func() { must(t, os.WriteFile(filepath.Join(directory, "file"), []byte("1"), 0o600)) })
}

// The directory of a process's descriptors stands for one on a network file system: inotify is silent, so it is polled.
func TestDirectoryOnAFileSystemThatDoesNotNotify(t *testing.T) {
	var output log

	process := exec.Command("/bin/cat")
	input, err := process.StdinPipe()
	must(t, err)
	must(t, process.Start())
	t.Cleanup(func() { _ = process.Wait() })

	c := watchDirectory(t, start(t, Options{Logger: zerolog.New(&output), PollInterval: time.Millisecond}),
		filepath.Join("/proc", strconv.Itoa(process.Process.Pid), "fdinfo"))
	output.await(t, "looking at the directory at intervals")
	c.after("the process ends", func() { must(t, input.Close()); must(t, process.Process.Kill()) })
}

// Where nothing notifies, the polls see a burst from its first difference until they see none.
func TestDirectoryIsPolled(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "file")

	synctest.Test(t, func(t *testing.T) {
		watchers, err := New(Options{})
		must(t, err)
		watchers.tree.close() // nothing can be watched

		calls := &times{start: time.Now()}
		stop := watchers.Directory(directory, calls.call)

		pass := func(wait time.Duration) {
			<-time.After(wait)
			synctest.Wait()
		}

		pass(time.Minute)
		must(t, os.WriteFile(name, []byte("1"), 0o600))
		pass(time.Second + settleTime)

		if told := calls.take(); len(told) != 1 {
			t.Errorf("calls for one change at %v", told)
		}

		var last time.Duration

		content := []byte("1")

		for range 40 { // grows for 2 s
			content = append(content, '1')
			must(t, os.WriteFile(name, content, 0o600))

			last = time.Since(calls.start)
			pass(50 * time.Millisecond)
		}

		pass(time.Minute)

		if told := calls.take(); len(told) < 1 || len(told) > 3 || told[len(told)-1] <= last {
			t.Errorf("written until %s, calls at %v", last, told)
		}

		stop()
		must(t, os.Remove(name))
		pass(time.Minute)

		if told := calls.take(); told != nil {
			t.Errorf("calls after stop at %v", told)
		}

		watchers.Close()
	})
}

func TestDirectoriesLeakNothing(t *testing.T) {
	round := func(stopFirst bool) {
		directory := t.TempDir()
		watchers, err := New(unpolled())
		must(t, err)

		for range 3 {
			c := watchDirectory(t, watchers, directory)
			touch(t, filepath.Join(directory, "file")) // a call is due when it stops

			if stopFirst {
				c.stop()
				c.stop()
			} else {
				defer c.stop() // after Close it is allowed, and harmless
			}
		}

		watchers.Close()

		closed := watchDirectory(t, watchers, directory)
		closed.stop()
	}

	round(true)

	files, goroutines := descriptors(t), runtime.NumGoroutine()

	for i := range 6 {
		round(i%2 == 0)
	}

	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the descriptors are gone", func() bool { return descriptors(t) <= files })
}
