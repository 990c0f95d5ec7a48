// Package author finds its way in a directory as the author of an extension has it, and gives a private daemon a place
// that is gone afterwards.
package author

import (
	"fmt"
	"os"
	"path/filepath"
)

// Where a system extension has its service files and root file systems, below the directory that becomes "/".
const (
	extensionServices = "usr/local/etc/containers"
	extensionRootfs   = "usr/local/lib/containers"
)

// ownRootfs is the root file system beside a service file.
const ownRootfs = "rootfs"

// Layout says where the service files of an author's directory are, and their root file systems.
type Layout struct {
	Services string // directory of *.yaml
	Rootfs   string // directory with a root file system for each service, by its name
	// Shared is the root file system of every service that has none of its own name in Rootfs; "" where there is none.
	Shared string
}

// Find looks for one of these, the first that is there:
//
//	DIR/rootfs/usr/local/etc/containers/*.yaml   DIR/rootfs/usr/local/lib/containers/<name>/   a system extension
//	DIR/usr/local/etc/containers/*.yaml          DIR/usr/local/lib/containers/<name>/          its content
//	DIR/*.yaml                                   DIR/<name>/, or DIR/rootfs/
//
// A rootfs that is not empty is used instead, as the directory with <name>/.
func Find(directory, rootfs string) (Layout, error) {
	if err := isDirectory(directory); err != nil {
		return Layout{}, err
	}

	found := Layout{Services: directory, Rootfs: directory}

	for _, top := range []string{filepath.Join(directory, ownRootfs), directory} {
		if services := filepath.Join(top, extensionServices); isDirectory(services) == nil {
			found = Layout{Services: services, Rootfs: filepath.Join(top, extensionRootfs)}

			break
		}
	}

	if shared := filepath.Join(directory, ownRootfs); found.Services == directory && isDirectory(shared) == nil {
		found.Shared = shared
	}

	if rootfs != "" {
		if err := isDirectory(rootfs); err != nil {
			return Layout{}, err
		}

		found.Rootfs, found.Shared = rootfs, ""
	}

	if files, err := filepath.Glob(filepath.Join(found.Services, "*.yaml")); err != nil || len(files) == 0 {
		return Layout{}, fmt.Errorf("there is no service file in %q: it needs a NAME.yaml there, or in %s or %s",
			found.Services, extensionServices, filepath.Join(ownRootfs, extensionServices))
	}

	return found, nil
}

func isDirectory(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}

	if !info.IsDir() {
		return fmt.Errorf("%q is a file: name the directory that it is in", path)
	}

	return nil
}

// Link makes a symbolic link in a directory, by which the root file system of a service is found there under its name.
func (l Layout) Link(links, name string) error {
	link, target := filepath.Join(links, name), filepath.Join(l.Rootfs, name)
	if isDirectory(target) != nil {
		target = l.Shared
	}

	target, err := filepath.Abs(target)
	if err != nil {
		return err
	}

	if present, err := os.Readlink(link); err == nil && present == target {
		return nil
	}

	if err := os.RemoveAll(link); err != nil {
		return err
	}

	return os.Symlink(target, link)
}
