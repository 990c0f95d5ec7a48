package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The ways of editors to save, as strace shows them.
func TestEditorsSave(t *testing.T) {
	for name, save := range map[string]func(v *virtual){
		"vim, backup by renaming": func(v *virtual) {
			v.write("4913", "")
			v.remove("4913")
			v.rename("a.yaml", "a.yaml~")
			v.write("a.yaml", "new")
			v.remove("a.yaml~")
		},
		"vim, backup by copying": func(v *virtual) {
			v.write("a.yaml~", "old")
			v.write("a.yaml", "new")
			v.remove("a.yaml~")
		},
		"truncate, then write and close": func(v *virtual) {
			file, err := os.OpenFile(v.at("a.yaml"), os.O_WRONLY|os.O_TRUNC, 0)
			must(v.t, err)
			v.expect("a file that is being written", 0)

			_, err = file.WriteString("new")
			must(v.t, err)
			must(v.t, file.Close())
		},
		"rename over": func(v *virtual) {
			v.write(".a.yaml.tmp", "new")
			v.rename(".a.yaml.tmp", "a.yaml")
		},
		"emacs, lock file": func(v *virtual) {
			must(v.t, os.Symlink("user@host.1:2", v.at(".#a.yaml")))
			v.rename("a.yaml", "a.yaml~")
			v.write("a.yaml", "new")
			v.remove(".#a.yaml")
		},
		"sed -i": func(v *virtual) {
			v.write("sedX1", "new")
			must(v.t, os.Chmod(v.at("sedX1"), 0o644))
			v.rename("sedX1", "a.yaml")
		},
		"the same content, size and time": func(v *virtual) {
			info, err := os.Stat(v.at("a.yaml"))
			must(v.t, err)
			v.write("a.yaml", "xyz")
			must(v.t, os.Chtimes(v.at("a.yaml"), info.ModTime(), info.ModTime()))
		},
		"written through another name": func(v *virtual) {
			_ = os.Remove(v.at("b.yaml"))
			must(v.t, os.Link(v.at("a.yaml"), v.at("b.yaml")))
			v.write("b.yaml", "new")
		},
		"swapped": func(v *virtual) {
			v.write("b.yaml", "new")
			must(v.t, unix.Renameat2(unix.AT_FDCWD, v.at("a.yaml"), unix.AT_FDCWD, v.at("b.yaml"), unix.RENAME_EXCHANGE))
		},
	} {
		t.Run(name, func(t *testing.T) {
			prepare := func(v *virtual) {
				v.t = t
				v.write("a.yaml", "old")
			}

			inVirtualTime(t, prepare, func(v *virtual) {
				v.expect("at the start", 0)
				save(v)
				v.expect("saved once", 1)
				save(v)
				v.expect("saved again", 1)
			})
		})
	}
}

func TestWhatIsNoChange(t *testing.T) {
	prepare := func(v *virtual) {
		v.t = t
		v.write("a.yaml", "old")
		must(t, os.Mkdir(v.at("inner"), 0o700))
	}

	inVirtualTime(t, prepare, func(v *virtual) {
		v.write("4913", "")
		v.remove("4913")
		v.expect("a probe of vim", 0)

		v.rename("a.yaml", "b.yaml")
		v.rename("b.yaml", "a.yaml")
		v.expect("moved back, which may be another file", 1)

		v.write("inner/file", "")
		must(t, os.Mkdir(v.at("another"), 0o700))
		must(t, os.Rename(v.at("another"), v.at("other")))
		v.expect("subdirectories", 0)

		_, err := os.ReadFile(v.at("a.yaml"))
		must(t, err)
		must(t, os.Chmod(v.at("a.yaml"), 0o644))
		v.expect("read, and its permissions", 0)

		v.watchers.tree.touchAll(0)
		v.expect("a mount elsewhere", 0)

		v.stop()
		v.write("a.yaml", "new")
		v.expect("after stop", 0)
	})
}

func TestChangesOfADirectory(t *testing.T) {
	inVirtualTime(t, nil, func(v *virtual) {
		for _, step := range []struct {
			what   string
			change func()
			calls  int
		}{
			{"added", func() { v.write("a", "1") }, 1},
			{"added by a move", func() {
				must(t, os.WriteFile(v.directory+"-x", nil, 0o600))
				must(t, os.Rename(v.directory+"-x", v.at("b")))
			}, 1},
			{"renamed", func() { v.rename("b", "c") }, 1},
			{"removed", func() { v.remove("c") }, 1},
			{"the directory is removed", func() { must(t, os.RemoveAll(v.directory)) }, 1},
			{"the directory appears", func() { must(t, os.Mkdir(v.directory, 0o700)) }, 1},
			{"added in it", func() { v.write("a", "1") }, 1},
			{"the directory is replaced", func() {
				must(t, os.Mkdir(v.directory+"-new", 0o700))
				must(t, os.Rename(v.directory, v.directory+"-old"))
				must(t, os.Rename(v.directory+"-new", v.directory))
			}, 1},
			{"written in the one before", func() { must(t, os.WriteFile(v.directory+"-old/a", nil, 0o600)) }, 0},
			{"added in the new one", func() { v.write("a", "1") }, 1},
			{"an ancestor is renamed", func() { must(t, os.Rename(filepath.Dir(v.directory), filepath.Dir(v.directory)+"-moved")) }, 1},
			{"an ancestor comes back", func() { must(t, os.Rename(filepath.Dir(v.directory)+"-moved", filepath.Dir(v.directory))) }, 1},
			{"it is a file", func() { must(t, os.RemoveAll(v.directory)); must(t, os.WriteFile(v.directory, nil, 0o600)) }, 1},
			{"it is a directory again", func() { must(t, os.Remove(v.directory)); must(t, os.Mkdir(v.directory, 0o700)) }, 1},
		} {
			step.change()
			v.expect(step.what, step.calls)
		}
	})
}

// 200 edits in 2 s are told by at most 2 calls, of which one follows the last edit.
func TestBurst(t *testing.T) {
	inVirtualTime(t, nil, func(v *virtual) {
		var last time.Duration

		for i := range 200 {
			v.write("a.yaml", fmt.Sprint(i))

			last = time.Since(v.calls.start)
			v.pass(10 * time.Millisecond)
		}

		v.pass(time.Minute)

		told := v.calls.take()
		if len(told) < 1 || len(told) > 2 || told[0] > burstLimit || told[len(told)-1] <= last {
			t.Errorf("the last edit was at %s, the calls at %v", last, told)
		}

		v.write("a.yaml", "alone")
		v.pass(settleTime - 1)

		if told = v.calls.take(); told != nil {
			t.Error("told before it settled")
		}

		v.pass(1)
		v.expect("told when it settled, and once", 1)
	})
}

func TestEventsAreLost(t *testing.T) {
	inVirtualTime(t, nil, func(v *virtual) {
		v.watchers.tree.handle(-1, unix.IN_Q_OVERFLOW, "")
		v.expect("lost", 1)

		for i := range burstNames + 1 {
			v.write(fmt.Sprint(i), "")
			v.remove(fmt.Sprint(i))
			v.deliver()
		}

		v.expect("more than is remembered", 1)
	})
}

// As Kubernetes mounts a ConfigMap: the files are links through one link, which is switched.
func TestFilesBehindSymbolicLinks(t *testing.T) {
	prepare := func(v *virtual) {
		v.t = t
		must(t, os.Mkdir(v.at("..1"), 0o700))
		v.write("..1/a.yaml", "1")
		must(t, os.Symlink("..1", v.at("..data")))
		must(t, os.Symlink("..data/a.yaml", v.at("a.yaml")))
	}

	inVirtualTime(t, prepare, func(v *virtual) {
		must(t, os.Mkdir(v.at("..2"), 0o700))
		v.write("..2/a.yaml", "2")
		must(t, os.Symlink("..2", v.at("..data_tmp")))
		v.rename("..data_tmp", "..data")
		must(t, os.RemoveAll(v.at("..1")))
		v.expect("switched", 1)

		outside := t.TempDir()
		target := filepath.Join(outside, "deep/target")
		must(t, os.Symlink(target, v.at("b.yaml")))
		v.expect("a link that leads nowhere", 1)
		must(t, os.Mkdir(filepath.Dir(target), 0o700))
		v.expect("a directory on its way", 0)
		must(t, os.WriteFile(target, []byte("1"), 0o600))
		v.expect("its target", 1)
		must(t, os.WriteFile(target, []byte("2"), 0o600))
		v.expect("its target is written", 1)
		must(t, os.WriteFile(target+".new", []byte("3"), 0o600))
		must(t, os.Rename(target+".new", target))
		v.expect("its target is replaced", 1)
		must(t, os.WriteFile(target, []byte("4"), 0o600))
		v.expect("the new target is written", 1)
		must(t, os.WriteFile(filepath.Join(outside, "deep/other"), nil, 0o600))
		v.expect("a neighbour of its target", 0)
		must(t, os.Remove(target))
		v.expect("its target is removed", 1)
		v.remove("b.yaml")
		v.expect("the link is removed", 1)
	})
}
