package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/extactor/extactor"

// Package is what the go command knows of one package; imports of tests are not among Imports.
type Package struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
}

// Graph holds packages by their import path: ours, and all that they need.
type Graph map[string]*Package

// Load asks the go command for every package below a directory, with everything they import.
func Load(dir string) (Graph, error) {
	command := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports", "./...")
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("cannot list packages of %q: %w", dir, err)
	}
	graph := make(Graph)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		listed := new(Package)
		if err := decoder.Decode(listed); errors.Is(err, io.EOF) {
			return graph, nil
		} else if err != nil {
			return nil, fmt.Errorf("cannot read the list of packages: %w", err)
		}
		graph[listed.ImportPath] = listed
	}
}

// Own returns our packages by their path within the module, sorted.
func (g Graph) Own() []string {
	var own []string
	for path := range g {
		if name, ok := ownName(path); ok {
			own = append(own, name)
		}
	}
	slices.Sort(own)
	return own
}

// Package returns one of ours by its path within the module.
func (g Graph) Package(name string) *Package {
	return g[Module+"/"+name]
}

// chains returns, for each of our packages that one of ours needs, the shortest way to it.
func (g Graph) chains(name string) map[string]string {
	found := make(map[string]string)
	queue := []string{name}
	via := map[string]string{name: name}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		needed := g.Package(current)
		if needed == nil {
			continue
		}
		for _, path := range needed.Imports {
			next, ok := ownName(path)
			if !ok || via[next] != "" {
				continue
			}
			via[next] = via[current] + " -> " + next
			found[next] = via[next]
			queue = append(queue, next)
		}
	}
	return found
}

func ownName(path string) (string, bool) {
	return strings.CutPrefix(path, Module+"/")
}

// matches tells whether a path is one of the patterns: "oci" is that package alone, "oci/..." is it and all below it.
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		root, tree := strings.CutSuffix(pattern, "/...")
		return path == root || tree && strings.HasPrefix(path, root+"/") || pattern == "..."
	})
}
