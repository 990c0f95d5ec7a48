package packaging_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// notCompared is what dpkg and other programs write whatever is installed.
var notCompared = []string{
	"/var/lib/dpkg", "/var/log", "/var/cache", "/var/tmp", "/var/backups", "/var/lib/apt", "/usr/local/go", "/var/lib/containerd",
	"/run/systemd/systemd-units-load", // of systemd-analyze
}

// files describes every file of the machine that a package may touch: mode and owner, and of what is not a directory its
// size and the time of its last change.
func files(t *testing.T) map[string]string {
	t.Helper()

	found := make(map[string]string)

	for _, top := range []string{"/etc", "/usr", "/var", "/opt", "/run/systemd", "/run/extactor"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case slices.Contains(notCompared, path) && entry.IsDir():
				return fs.SkipDir
			case slices.Contains(notCompared, path):
				return nil
			}

			var stat unix.Stat_t
			if err := unix.Lstat(path, &stat); err != nil {
				return nil // gone meanwhile
			}

			found[path] = fmt.Sprintf("mode %o, owner %d:%d", stat.Mode, stat.Uid, stat.Gid)
			if !entry.IsDir() {
				found[path] += fmt.Sprintf(", %d bytes of %d", stat.Size, stat.Mtim.Nano())
			}

			return nil
		})
		must(t, err)
	}

	return found
}

func difference(before, after map[string]string) []string {
	var changed []string

	for path, was := range before {
		if now, there := after[path]; !there {
			changed = append(changed, path+" is gone")
		} else if was != now {
			changed = append(changed, path+" was "+was+" and is "+now)
		}
	}

	for path := range after {
		if _, there := before[path]; !there {
			changed = append(changed, path+" is new")
		}
	}

	slices.Sort(changed)

	return changed
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// sameFiles compares two listings in which the same path may be written in several ways.
func sameFiles(one, other []string) bool {
	clean := func(paths []string) []string {
		cleaned := make([]string, 0, len(paths))
		for _, path := range paths {
			cleaned = append(cleaned, filepath.Join("/", path))
		}

		slices.Sort(cleaned)

		return cleaned
	}

	return slices.Equal(clean(one), clean(other))
}
