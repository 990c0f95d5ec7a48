package config

import (
	"errors"
	"fmt"

	"github.com/extactor/extactor/spec"
)

// Store is a directory of YAML files (*.yaml) with one or more documents each. The zero value of everything but Dir is
// right. Any number of stores, in any number of processes, may use one directory at the same time.
type Store struct {
	Dir string
}

// Action is what became of one document.
type Action string

// What Apply does to a document.
const (
	Created   Action = "created"
	Changed   Action = "changed"
	Unchanged Action = "unchanged" // it says the same already, whatever its spelling
)

// Applied tells about one document.
type Applied struct {
	Name   string
	Action Action
	Source string // the file that has it now
}

// ErrUnknown is wrapped by the error of Delete where no document has the name.
var ErrUnknown = errors.New("no such document")

// Load returns the documents as spec.LoadConfigDir does.
func (s Store) Load() ([]*spec.Config, spec.Problems) { return spec.LoadConfigDir(s.Dir) }

// Apply stores the documents of content; source names it in problems. Where a document has an error, or there is none,
// the problems say so and nothing is written. A document that a file has already is replaced in its place, and the other
// documents of that file stay byte for byte; one that is new gets a file of its own. Where one cannot be written, none is.
// Each file is replaced as a whole: who is killed in between leaves some documents new and the others old.
func (s Store) Apply(source string, content []byte) ([]Applied, spec.Problems, error) {
	configs, problems := spec.ParseConfigs(source, content)
	if len(problems.Errors()) == 0 && len(configs) == 0 {
		problems = append(problems, spec.Problem{
			File: source, Severity: spec.Error, Message: "no document in it is an " + spec.ConfigKind,
		})
	}

	if len(problems.Errors()) > 0 {
		return nil, problems, nil
	}

	var applied []Applied

	err := s.change(func(files *files) error {
		for _, config := range configs {
			done, err := files.apply(config)
			if err != nil {
				return fmt.Errorf("cannot apply %s %q: %w", spec.ConfigKind, config.Name, err)
			}

			applied = append(applied, done)
		}

		return files.check(configs)
	})
	if err != nil {
		return nil, problems, err
	}

	return applied, problems, nil
}

// Delete removes the document of that name from every file that has it. A file in which nothing else is left goes too.
func (s Store) Delete(name string) error {
	err := s.change(func(files *files) error {
		if !files.remove(name) {
			return ErrUnknown
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot delete %s %q: %w", spec.ConfigKind, name, err)
	}

	return nil
}

// change has the files changed in memory, then writes those that are new or different. Nobody else writes meanwhile.
func (s Store) change(edit func(*files) error) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()

	files, err := read(s.Dir)
	if err != nil {
		return err
	}

	if err := edit(files); err != nil {
		return err
	}

	return files.write()
}
