package oci

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-envparse"
)

// ReadEnvironmentFile reads NAME=value lines as Talos does: comments, quotes, an "export" in front and escapes within
// double quotes are understood, "$NAME" is not expanded. It returns one entry for each name, sorted by name, the last
// value where a name is repeated. Errors name the line, never its content: it may be a secret.
func ReadEnvironmentFile(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read environment file %q: %w", path, cause(err))
	}
	defer file.Close()
	values, err := envparse.Parse(file)
	var parse *envparse.ParseError
	switch {
	case errors.As(err, &parse) && parse.Line > 0:
		return nil, fmt.Errorf("cannot read environment file %q: line %d: %w", path, parse.Line, parse.Err)
	case err != nil:
		return nil, fmt.Errorf("cannot read environment file %q: %w", path, err)
	}
	environment := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.ContainsRune(values[name], 0) {
			return nil, fmt.Errorf("cannot read environment file %q: the value of %s contains a NUL byte", path, name)
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
