package watch

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// unpolled are options under which polling would be noticed: nothing is ever looked at again by time.
func unpolled() Options { return Options{PollInterval: time.Hour} }

func touch(t testing.TB, name string) {
	t.Helper()
	must(t, os.WriteFile(name, nil, 0o600))
}

func TestPathAppearsUnderDirectoriesThatDoNotExist(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "a/b/c/d/file")
	f := watchFacts(t, start(t, unpolled()), path(name))

	f.met(false)
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))
	touch(t, name)
	f.met(true)

	must(t, os.RemoveAll(filepath.Join(directory, "a/b")))
	f.met(false)
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))
	touch(t, name)
	f.met(true)
}

func TestPathIsRenamed(t *testing.T) {
	directory := t.TempDir()
	name := filepath.Join(directory, "a/b/file")
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))

	watchers := start(t, unpolled())
	f := watchFacts(t, watchers, path(name))
	f.met(false)

	touch(t, name+".new")
	must(t, os.Rename(name+".new", name))
	f.met(true)

	// Replaced: it exists throughout, and the new file is watched as the old one was.
	touch(t, name+".new")
	must(t, os.Rename(name+".new", name))
	must(t, os.Remove(name))
	f.met(false)

	touch(t, name)
	f.met(true)

	// A directory far above is renamed.
	must(t, os.Rename(filepath.Join(directory, "a"), filepath.Join(directory, "x")))
	f.met(false)
	must(t, os.Rename(filepath.Join(directory, "x"), filepath.Join(directory, "a")))
	f.met(true)
}

func TestPathOfEveryKind(t *testing.T) {
	for name, make := range map[string]func(*testing.T, string){
		"file":      func(t *testing.T, p string) { touch(t, p) },
		"directory": func(t *testing.T, p string) { must(t, os.Mkdir(p, 0o700)) },
		"fifo":      func(t *testing.T, p string) { must(t, unix.Mkfifo(p, 0o600)) },
		"socket": func(t *testing.T, p string) {
			listener, err := net.Listen("unix", p)
			must(t, err)
			t.Cleanup(func() { _ = listener.Close() })
		},
		"device": func(t *testing.T, p string) {
			needRoot(t)

			if err := unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
				skip(t, "cannot make device nodes: "+err.Error())
			}
		},
		"hard link": func(t *testing.T, p string) { touch(t, p+".old"); must(t, os.Link(p+".old", p)) },
	} {
		t.Run(name, func(t *testing.T) {
			directory, err := os.MkdirTemp("", "watch") // short: the path of a socket is limited
			must(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(directory) })

			target := filepath.Join(directory, "it")
			f := watchFacts(t, start(t, unpolled()), path(target))

			f.met(false)
			make(t, target)
			f.met(true)
			must(t, os.Remove(target))
			f.met(false)
		})
	}
}

func TestPathThroughSymbolicLinks(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	f := watchFacts(t, start(t, unpolled()), path(at("link")))
	f.met(false)

	// The link dangles, through a second link in the middle, into directories that do not exist.
	must(t, os.Symlink("middle/../deep/target", at("link")))
	must(t, os.Mkdir(at("elsewhere"), 0o700))
	must(t, os.Symlink(at("elsewhere/one"), at("middle")))
	must(t, os.Mkdir(at("elsewhere/one"), 0o700))
	must(t, os.Mkdir(at("elsewhere/deep"), 0o700))
	touch(t, at("elsewhere/deep/target"))
	f.met(true)

	// The target goes and comes.
	must(t, os.Remove(at("elsewhere/deep/target")))
	f.met(false)
	touch(t, at("elsewhere/deep/target"))
	f.met(true)

	// The link in the middle is switched to where there is no such file, in one step.
	must(t, os.MkdirAll(at("empty/one"), 0o700))
	must(t, os.Symlink("empty/one", at("middle.new")))
	must(t, os.Rename(at("middle.new"), at("middle")))
	f.met(false)
	must(t, os.Mkdir(at("empty/deep"), 0o700))
	touch(t, at("empty/deep/target"))
	f.met(true)

	// A loop of links exists not.
	must(t, os.Remove(at("middle")))
	must(t, os.Symlink("middle", at("middle")))
	f.met(false)

	// The directories that the path no longer leads through are left, and the others with the watch.
	eventually(t, "left", func() bool { return kernelWatches(t) <= depth(directory) })
	f.stop()
	eventually(t, "left", func() bool { return kernelWatches(t) == 0 })
}

func TestPathUnderAMountOverAnAncestor(t *testing.T) {
	needRoot(t)

	directory := t.TempDir()
	name := filepath.Join(directory, "a/b/file")
	must(t, os.MkdirAll(filepath.Dir(name), 0o700))
	touch(t, name)

	f := watchFacts(t, start(t, unpolled()), path(name))
	f.met(true)

	over := filepath.Join(directory, "a")
	if err := unix.Mount("tmpfs", over, "tmpfs", 0, ""); err != nil {
		skip(t, "cannot mount: "+err.Error())
	}

	t.Cleanup(func() { _ = unix.Unmount(over, unix.MNT_DETACH) })

	f.met(false)
	must(t, os.Mkdir(filepath.Dir(name), 0o700))
	touch(t, name)
	f.met(true)
	must(t, os.Remove(name))
	f.met(false)
	must(t, unix.Unmount(over, 0))
	f.met(true)
	must(t, os.Remove(name))
	f.met(false)
}

func TestPathOnAFileSystemThatDoesNotNotifyIsPolled(t *testing.T) {
	var output log

	watchers := start(t, Options{Logger: zerolog.New(&output), PollInterval: time.Millisecond})
	process, err := os.StartProcess("/bin/cat", []string{"cat"}, &os.ProcAttr{Files: pipes(t)})
	must(t, err)

	f := watchFacts(t, watchers, path(filepath.Join("/proc", strconv.Itoa(process.Pid))))
	f.met(true)
	must(t, process.Kill())

	_, err = process.Wait()
	must(t, err)
	f.met(false)
	output.await(t, "proc file system") // why it is polled
}

func TestEtcFiles(t *testing.T) {
	etc, run := t.TempDir(), t.TempDir()
	options := unpolled()
	options.Etc = etc
	f := watchFacts(t, start(t, options), network(condition.EtcFiles))
	f.met(false)

	// resolv.conf is a link into a directory that a resolver makes later.
	must(t, os.Symlink(filepath.Join(run, "resolver/resolv.conf"), filepath.Join(etc, "resolv.conf")))
	touch(t, filepath.Join(etc, "hosts"))
	must(t, os.Mkdir(filepath.Join(run, "resolver"), 0o700))
	touch(t, filepath.Join(run, "resolver/resolv.conf"))
	f.await("both exist, both empty", func(fact condition.Fact) bool {
		for _, file := range fact.(condition.FilesFact).Files {
			if !file.Exists || !file.Empty {
				return false
			}
		}

		return true
	})

	must(t, os.WriteFile(filepath.Join(run, "resolver/resolv.conf"), []byte("nameserver ::1\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(etc, "hosts"), []byte("::1 localhost\n"), 0o600))
	f.met(true)
	must(t, os.Truncate(filepath.Join(etc, "hosts"), 0))
	f.met(false)

	// Written through a descriptor that stays open, and without a new name.
	file, err := os.OpenFile(filepath.Join(etc, "hosts"), os.O_WRONLY, 0)
	must(t, err)

	defer file.Close()

	_, err = file.WriteString("::1 localhost\n")
	must(t, err)
	f.met(true)
}

func TestEmptyReadsWhatHasNoSize(t *testing.T) {
	const status = "/proc/self/status"

	info, err := os.Stat(status)
	must(t, err)

	if info.Size() != 0 || empty(status, info) {
		t.Errorf("size %d, empty %t", info.Size(), empty(status, info))
	}
}
