package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links the kernel follows in one path.
const maxLinks = 40

// walk follows a path as the kernel does and puts a watch on every directory in which a name of it, or of a symbolic
// link on the way, is looked up. Each watch is placed before the name is looked up, so no change goes unseen.
type walk struct {
	tree     *tree
	observer onlooker
	content  bool // the content of the file at the end matters too
	watched  map[int32][]string
	silent   map[int32]bool // the observer's kernel watches on a file system that inotify does not tell all of
	blind    error          // why changes may go unseen, or nil
}

// follow returns the directory at the end of the path, without symbolic links; or "" where none is there.
func (w *walk) follow(path string) (end string) {
	directory := "/"
	rest := strings.Split(path, "/")

	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]

		switch name {
		case "", ".":
			continue
		case "..":
			directory = filepath.Dir(directory) // it has no symbolic link in it, so this is its parent

			continue
		}

		if !w.watch(directory, name, directoryEvents) {
			return ""
		}

		entry := filepath.Join(directory, name)

		info, err := os.Lstat(entry)
		if err != nil {
			w.see(err)

			return ""
		}

		switch {
		case info.IsDir():
			directory = entry
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(entry)
			if links++; err != nil || links > maxLinks {
				w.see(err)

				return ""
			}

			if filepath.IsAbs(target) {
				directory = "/"
			}

			rest = append(strings.Split(target, "/"), rest...)
		default:
			if w.content && info.Mode().IsRegular() {
				w.watch(entry, "", contentEvents)
			}

			return ""
		}
	}

	return directory
}

// watch reports whether the walk can go on.
func (w *walk) watch(path, name string, events uint32) bool {
	descriptor, fresh, err := w.tree.add(w.observer, path, name, events)
	if err != nil {
		w.see(err)

		// Without a watch here there may still be one further on.
		return !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR)
	}

	w.watched[descriptor] = append(w.watched[descriptor], name)

	if fresh || w.silent[descriptor] {
		w.checkFileSystem(descriptor, path)
	}

	return true
}

// see notes an error that keeps changes from being seen. That nothing is there yet is none.
func (w *walk) see(err error) {
	switch {
	case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), w.blind != nil:
	case errors.Is(err, unix.ENOSPC):
		w.blind = errors.New("inotify watches are exhausted: raise fs.inotify.max_user_watches")
	default:
		w.blind = err
	}
}

// checkFileSystem notes a file system whose changes inotify does not tell: those made by another host or by the kernel.
func (w *walk) checkFileSystem(descriptor int32, path string) {
	var status unix.Statfs_t
	if err := unix.Statfs(path, &status); err != nil {
		w.see(err)

		return
	}

	if name, silent := silentFileSystems[uint32(status.Type)]; silent {
		w.silent[descriptor] = true
		w.see(fmt.Errorf("inotify does not tell all changes of the %s file system at %q", name, path))
	}
}

// silentFileSystems by their magic numbers: see statfs(2).
var silentFileSystems = map[uint32]string{
	unix.NFS_SUPER_MAGIC:      "nfs",
	unix.FUSE_SUPER_MAGIC:     "fuse",
	unix.PROC_SUPER_MAGIC:     "proc",
	unix.SYSFS_MAGIC:          "sysfs",
	unix.CGROUP_SUPER_MAGIC:   "cgroup",
	unix.CGROUP2_SUPER_MAGIC:  "cgroup2",
	unix.DEBUGFS_MAGIC:        "debugfs",
	unix.TRACEFS_MAGIC:        "tracefs",
	unix.SECURITYFS_MAGIC:     "securityfs",
	unix.SELINUX_MAGIC:        "selinuxfs",
	unix.EFIVARFS_MAGIC:       "efivarfs",
	unix.RDTGROUP_SUPER_MAGIC: "resctrl",
	unix.V9FS_MAGIC:           "9p",
	unix.CIFS_SUPER_MAGIC:     "cifs",
	unix.SMB_SUPER_MAGIC:      "smb",
	unix.SMB2_SUPER_MAGIC:     "smb2",
	unix.AFS_SUPER_MAGIC:      "afs",
	unix.AFS_FS_MAGIC:         "afs",
	unix.CODA_SUPER_MAGIC:     "coda",
	unix.CEPH_SUPER_MAGIC:     "ceph",
	unix.OCFS2_SUPER_MAGIC:    "ocfs2",
	0x01161970:                "gfs2",
	0x786f4256:                "vboxsf",
	0x0bd00bd0:                "lustre",
	0x47504653:                "gpfs",
	0xbacbacbc:                "vmhgfs",
	0x19830326:                "beegfs",
}
