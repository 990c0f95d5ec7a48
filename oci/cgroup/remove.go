package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mostNamed is how many control groups, and how many processes of each, an error names.
const mostNamed = 3

// Remove deletes the control group with those below it, in every hierarchy. What still has a process in it stays and is an
// error.
func Remove(path string) error {
	directories, err := Directories(path)
	if err != nil {
		return err
	}

	left := make(map[string]error) // by the name of the control group, which may be left in several hierarchies

	for _, directory := range directories {
		for below, problem := range removeTree(directory) {
			left[filepath.Join(path, below)] = problem
		}
	}

	return explainLeft(left)
}

// removeTree deletes a directory of a hierarchy with those below it, and returns why some could not be deleted, by their
// paths below it. One that could not because of another one below it is not told of.
func removeTree(directory string) map[string]error {
	var found []string

	_ = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}

		return nil
	})

	left := make(map[string]error)
	kept := "" // the last that could not be deleted

	for _, path := range slices.Backward(found) {
		if strings.HasPrefix(kept, path+"/") {
			continue
		}

		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			kept = path
			left[strings.TrimPrefix(path, directory)] = err
		}
	}

	return left
}

// explainLeft names some of what is left, and which processes are in it.
func explainLeft(left map[string]error) error {
	var problems []string

	for _, name := range slices.Sorted(maps.Keys(left)) {
		if len(problems) == mostNamed {
			return fmt.Errorf("%s; and %d more", strings.Join(problems, "; "), len(left)-mostNamed)
		}

		reason := left[name]

		var failed *fs.PathError
		if errors.As(reason, &failed) {
			reason = failed.Err // its path is one of many that are called so
		}

		problems = append(problems, fmt.Sprintf("cannot remove cgroup %q: %v%s", name, reason, within(name)))
	}

	if len(problems) == 0 {
		return nil
	}

	return errors.New(strings.Join(problems, "; "))
}

// within says which processes are in a control group, or nothing where none is.
func within(name string) string {
	pids, err := Processes(name)
	if err != nil || len(pids) == 0 {
		return ""
	}

	more := ""
	if extra := len(pids) - mostNamed; extra > 0 {
		pids, more = pids[:mostNamed], fmt.Sprintf(" and %d more", extra)
	}

	words := make([]string, len(pids))
	for index, pid := range pids {
		words[index] = fmt.Sprint(pid)
	}

	return " (PID " + strings.Join(words, ", ") + more + ")"
}
