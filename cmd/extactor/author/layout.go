// Package author finds its way in a directory as the author of an extension has it, and gives a private daemon a place
// that is gone afterwards.
package author

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	File     string // the only one of them that counts; "" for all
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
// DIR may also be the usr/local/etc/containers of such a layout itself. Where a service file is named, only that one counts,
// with the root file system that it has in its directory. A rootfs that is not empty is used instead, as the directory with
// <name>/.
func Find(path, rootfs string) (Layout, error) {
	directory := path

	var found Layout

	switch info, err := os.Stat(path); {
	case err == nil && info.Mode().IsRegular():
		if filepath.Ext(path) != ".yaml" {
			return Layout{}, errors.New("service files end in .yaml")
		}

		directory = filepath.Dir(path)
		found = beside(directory)
		found.File = path
	case errors.Is(err, fs.ErrNotExist):
		return Layout{}, errors.New("there is no such directory or file")
	default:
		if err := IsDirectory(path); err != nil {
			return Layout{}, err
		}

		found = place(path)
	}

	if rootfs != "" {
		if err := IsDirectory(rootfs); err != nil {
			return Layout{}, fmt.Errorf("--rootfs: %w", err)
		}

		found.Rootfs, found.Shared = rootfs, ""
	}

	if !hasServices(found.Services) {
		return Layout{}, noServices(directory, found.Services)
	}

	return found, nil
}

// place tells which layout it is.
func place(directory string) Layout {
	for _, top := range []string{filepath.Join(directory, ownRootfs), directory} {
		if services := filepath.Join(top, extensionServices); IsDirectory(services) == nil {
			return Layout{Services: services, Rootfs: filepath.Join(top, extensionRootfs)}
		}
	}

	return beside(directory)
}

// beside is where the service files of a directory have their root file systems.
func beside(directory string) Layout {
	if whole, err := filepath.Abs(directory); err == nil && strings.HasSuffix(whole, "/"+extensionServices) {
		return Layout{Services: directory, Rootfs: strings.TrimSuffix(whole, extensionServices) + extensionRootfs}
	}

	found := Layout{Services: directory, Rootfs: directory}
	if shared := filepath.Join(directory, ownRootfs); IsDirectory(shared) == nil {
		found.Shared = shared
	}

	return found
}

func hasServices(directory string) bool {
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))

	return err == nil && len(files) > 0
}

// noServices says what to do instead.
func noServices(directory, looked string) error {
	if other, err := filepath.Glob(filepath.Join(looked, "*.yml")); err == nil && len(other) > 0 {
		return fmt.Errorf("service files end in .yaml: rename %q", other[0])
	}

	if parent := filepath.Dir(filepath.Clean(directory)); filepath.Base(directory) == ownRootfs && hasServices(parent) {
		return fmt.Errorf("it has no service file; did you mean %q?", parent)
	}

	return fmt.Errorf("there is no service file in %q: it needs a NAME.yaml there, or in %s or %s",
		looked, extensionServices, filepath.Join(ownRootfs, extensionServices))
}

// IsDirectory returns an error that says what is there instead.
func IsDirectory(path string) error {
	info, err := os.Stat(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %q", path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%q is a file: name the directory that it is in, %q", path, filepath.Dir(path))
	default:
		return nil
	}
}

// Edited names what the author edits.
func (l Layout) Edited() string {
	if l.File != "" {
		return l.File
	}

	return "the files of " + l.Services
}

// Link makes a symbolic link in a directory, by which the root file system of a service is found there under its name.
func (l Layout) Link(links, name string) error {
	link, target := filepath.Join(links, name), filepath.Join(l.Rootfs, name)
	if IsDirectory(target) != nil {
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
