package watch

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// listing is what is in a directory, by name, as far as it shows whether a file is another or was written; "." is the
// directory itself. Directories in it are left out. It is empty where there is no directory.
type listing map[string]entry

type entry struct {
	device, inode uint64
	link          uint64 // inode of the symbolic link that leads to it, or 0
	kind          uint32 // regular file, socket, ...: S_IFMT of inode(7)
	size          int64
	modified      unix.Timespec
	failure       string // why nothing is known of it
}

func (l listing) equal(other listing) bool { return maps.Equal(l, other) }

// list looks at the entries of a directory, which may have gone since they were read.
func list(directory string, entries []fs.DirEntry, failure error) listing {
	seen := listing{}

	var status unix.Stat_t

	switch err := unix.Stat(directory, &status); {
	case err == nil && failure == nil:
		seen["."] = entry{device: status.Dev, inode: status.Ino}
	case err == nil && !errors.Is(failure, fs.ErrNotExist):
		seen["."] = entry{failure: failure.Error()}
	}

	for _, one := range entries {
		if found, exists := look(filepath.Join(directory, one.Name()), one.Type()&fs.ModeSymlink != 0); exists {
			seen[one.Name()] = found
		}
	}

	return seen
}

// look returns what is at a path that is not a directory. A symbolic link that leads nowhere is there itself.
func look(path string, link bool) (found entry, exists bool) {
	var status, own unix.Stat_t

	if link && unix.Lstat(path, &own) != nil {
		return entry{}, false
	}

	err := unix.Stat(path, &status)

	switch {
	case err == nil && status.Mode&unix.S_IFMT == unix.S_IFDIR:
		return entry{}, false
	case err == nil:
		return entry{
			device: status.Dev, inode: status.Ino, link: own.Ino, kind: status.Mode & unix.S_IFMT,
			size: status.Size, modified: status.Mtim,
		}, true
	case link:
		return entry{link: own.Ino, failure: err.Error()}, true
	case errors.Is(err, unix.ENOENT):
		return entry{}, false
	default:
		return entry{failure: err.Error()}, true
	}
}
