package oci

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-envparse"
	"golang.org/x/sys/unix"
)

// maxEnvironmentFile is the size in bytes up to which an environment file is read; the kernel passes on far less.
const maxEnvironmentFile = 1 << 20

// ReadEnvironmentFile reads NAME=value lines as Talos does: comments, quotes, an "export" in front and escapes within
// double quotes are understood, "$NAME" is not expanded. It returns one entry for each name, sorted by name, the last
// value where a name is repeated. Errors name the line, never its content: it may be a secret.
func ReadEnvironmentFile(path string) ([]string, error) {
	environment, err := readEnvironmentFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read environment file %q: %w", path, err)
	}
	return environment, nil
}

func readEnvironmentFile(path string) ([]string, error) {
	// Without O_NONBLOCK a named pipe in the file's place would hold up the service for ever.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is %s, not a file", kind(info))
	case info.Size() > maxEnvironmentFile:
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are allowed", info.Size(), maxEnvironmentFile)
	}
	values, err := envparse.Parse(io.LimitReader(file, maxEnvironmentFile))
	var parse *envparse.ParseError
	switch {
	case errors.As(err, &parse) && parse.Line > 0:
		return nil, fmt.Errorf("line %d: %w", parse.Line, parse.Err)
	case err != nil:
		return nil, err
	}
	environment := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.ContainsRune(values[name], 0) {
			return nil, fmt.Errorf("the value of %s contains a NUL byte", name)
		}
		environment = append(environment, name+"="+values[name])
	}
	return environment, nil
}

// MergeEnvironment joins lists of NAME=value; the later value of a name wins and takes the place of the first. An entry
// without "=" removes the name, as containerd does it.
func MergeEnvironment(lists ...[]string) []string {
	var names []string
	entries := map[string]string{}
	for _, entry := range slices.Concat(lists...) {
		name, _, assigned := strings.Cut(entry, "=")
		if !assigned {
			names = slices.DeleteFunc(names, func(other string) bool { return other == name })
			delete(entries, name)
			continue
		}
		if _, known := entries[name]; !known {
			names = append(names, name)
		}
		entries[name] = entry
	}
	var merged []string
	for _, name := range names {
		merged = append(merged, entries[name])
	}
	return merged
}
