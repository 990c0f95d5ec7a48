package watch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

const exhaustedChild = "EXTACTOR_TEST_INOTIFY_LIMIT"

// The limit of inotify watches is set for a user namespace of the test's own, in a child that runs this test.
func TestInotifyWatchesExhausted(t *testing.T) {
	needRoot(t)

	for _, limit := range []string{"max_inotify_watches", "max_inotify_instances"} {
		t.Run(limit, func(t *testing.T) {
			if os.Getenv(exhaustedChild) == limit {
				underInotifyLimit(t, filepath.Join("/proc/sys/user", limit))

				return
			}

			if os.Getenv(exhaustedChild) != "" {
				return // the child runs the test for one of the two
			}

			child := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
			child.Env = append(os.Environ(), exhaustedChild+"="+limit, "TMPDIR="+t.TempDir())
			child.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
			}

			if output, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

func underInotifyLimit(t *testing.T, limit string) {
	t.Helper()
	must(t, os.WriteFile(limit, []byte("0"), 0))

	var output log

	name := filepath.Join(t.TempDir(), "a/file")
	watchers := start(t, Options{Logger: zerolog.New(&output), PollInterval: time.Millisecond})
	f := watchFacts(t, watchers, path(name))
	f.met(false)

	c := watchDirectory(t, watchers, filepath.Dir(name))
	c.after("the directory appears", func() { must(t, os.Mkdir(filepath.Dir(name), 0o700)) })
	c.after("added", func() { touch(t, name) })
	f.met(true)
	c.after("written", func() { must(t, os.WriteFile(name, []byte("1"), 0o600)) })
	output.await(t, "fs.inotify.max_user_") // what to raise

	// When there is room again the watch is placed after all.
	must(t, os.WriteFile(limit, []byte("1000"), 0))
	eventually(t, "a kernel watch is placed", func() bool { return kernelWatches(t) > 0 })
	c.after("removed", func() { must(t, os.Remove(name)) })
	f.met(false)
}

// A FUSE file system whose server never answers stands for a dead NFS server.
func TestFileSystemThatHangs(t *testing.T) {
	needRoot(t)

	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		skip(t, "no FUSE: "+err.Error())
	}

	server := os.NewFile(uintptr(fuse), "fuse")
	directory := t.TempDir()
	dead := filepath.Join(directory, "dead")
	must(t, os.Mkdir(dead, 0o700))

	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse)
	if err = unix.Mount("dead", dead, "fuse.dead", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		skip(t, "cannot mount FUSE: "+err.Error())
	}

	t.Cleanup(func() { _ = unix.Unmount(dead, unix.MNT_DETACH) })

	var output log

	watchers, err := New(Options{Logger: zerolog.New(&output), PollInterval: time.Hour})
	must(t, err)

	hanging := watchFacts(t, watchers, path(filepath.Join(dead, "file")))
	living := watchFacts(t, watchers, path(filepath.Join(directory, "file")))

	living.met(false)
	touch(t, filepath.Join(directory, "file"))
	living.met(true)

	if len(hanging.seen) > 0 {
		t.Fatalf("the file system answered: %v", hanging.seen)
	}

	hanging.stop() // does not hang
	watchers.Close()

	output.await(t, "does not answer")

	must(t, server.Close()) // the kernel gives up on the server, and the look ends
	watchers.running.Wait()

	living.stop()
}
