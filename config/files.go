package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/extactor/extactor/spec"
)

// files are the YAML files of the directory, in the order of their names.
type files struct {
	dir    string
	loaded []*spec.Config
	all    []*file
}

type file struct {
	path    string
	before  []byte // nil: it does not exist yet
	content []byte // nil: it goes
}

func read(dir string) (*files, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory of configuration: %w", err)
	}

	read := &files{dir: dir}
	read.loaded, _ = spec.LoadConfigDir(dir)

	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".yaml") || strings.HasPrefix(entry.Name(), ".") {
			continue
		}

		path := filepath.Join(dir, entry.Name())

		// What is no file, or a link to nowhere, holds no document; its problem is for whoever loads the directory.
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > spec.MaxFileSize {
			continue
		}

		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read a file of configuration: %w", err)
		}

		read.all = append(read.all, &file{path: path, before: content, content: content})
	}

	return read, nil
}

// apply puts one document in its place.
func (f *files) apply(config *spec.Config) (Applied, error) {
	document := spec.EncodeConfig(config)

	place, known := f.find(config.Name)
	if known != nil && known.Same(config) {
		return Applied{Name: config.Name, Action: Unchanged, Source: place.path}, nil
	}

	action := Changed

	if place == nil {
		action = Created

		var err error
		if place, err = f.own(config.Name); err != nil {
			return Applied{}, err
		}
	}

	place.content = spec.ReplaceConfig(place.content, config.Name, document)

	return Applied{Name: config.Name, Action: action, Source: place.path}, nil
}

// find returns the file that has the document, right or wrong: the one that it is loaded from, if any.
func (f *files) find(name string) (*file, *spec.Config) {
	for _, config := range f.loaded {
		if config.Name != name {
			continue
		}

		for _, each := range f.all {
			if each.path == config.Source {
				return each, config
			}
		}
	}

	for _, each := range f.all {
		if _, found := spec.RemoveConfig(each.content, name); found {
			return each, nil
		}
	}

	return nil, nil
}

// own returns the file that has the name of the document, which may have others in it.
func (f *files) own(name string) (*file, error) {
	path := filepath.Join(f.dir, name+".yaml")

	for _, each := range f.all {
		if each.path == path {
			return each, nil
		}
	}

	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%q is in the way: it is no file that can be read", path)
	}

	added := &file{path: path}
	f.all = append(f.all, added)

	return added, nil
}

// check makes sure that each document can be read back: a file may have become too large, for example.
func (f *files) check(configs []*spec.Config) error {
	for _, config := range configs {
		place, _ := f.find(config.Name)
		if place == nil {
			return fmt.Errorf("cannot apply %s %q: it is in no file", spec.ConfigKind, config.Name)
		}

		written, problems := spec.ParseConfigs(place.path, place.content)
		if !containsSame(written, config) {
			return fmt.Errorf("cannot apply %s %q to %s, where it could not be read: %s",
				spec.ConfigKind, config.Name, place.path, problems.Errors())
		}
	}

	return nil
}

func (f *files) remove(name string) (found bool) {
	for _, each := range f.all {
		rest, removed := spec.RemoveConfig(each.content, name)
		if !removed {
			continue
		}

		found = true

		each.content = rest
		if blank(rest) {
			each.content = nil
		}
	}

	return found
}

// write brings to disk what differs. Nothing is replaced before all that is new is on the disk, so that one which is full
// changes nothing.
func (f *files) write() error {
	var prepared []replacement

	for _, each := range f.all {
		if each.content == nil || bytes.Equal(each.content, each.before) {
			continue
		}

		next, err := prepare(each.path, len(prepared), each.content)
		if err != nil {
			for _, earlier := range prepared {
				err = errors.Join(err, earlier.drop())
			}

			return err
		}

		prepared = append(prepared, next)
	}

	for _, next := range prepared {
		if err := next.commit(); err != nil {
			return err
		}
	}

	for _, each := range f.all {
		if each.content == nil && each.before != nil {
			if err := remove(each.path); err != nil {
				return err
			}
		}
	}

	return nil
}

func containsSame(configs []*spec.Config, wanted *spec.Config) bool {
	for _, config := range configs {
		if config.Same(wanted) {
			return true
		}
	}

	return false
}

// blank tells whether only marks between documents are left.
func blank(content []byte) bool {
	for line := range bytes.Lines(content) {
		if text := string(bytes.TrimSpace(line)); text != "" && text != "---" && text != "..." {
			return false
		}
	}

	return true
}
