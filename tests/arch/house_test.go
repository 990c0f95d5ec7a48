package arch

import (
	"slices"
	"testing"
)

// root is the directory of the module.
const root = "../.."

// longFunctions are those that were longer than MaxFunction when they were written. The table may only shrink.
var longFunctions = map[string]int{}

func TestImports(t *testing.T) {
	graph, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	own := graph.Own()
	for _, name := range []string{"spec", "events", "condition", "tests/arch"} {
		if !slices.Contains(own, name) {
			t.Fatalf("package %s was not found among %v", name, own)
		}
	}
	report(t, CheckImports(graph))
}

func TestSources(t *testing.T) {
	files, err := LoadFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(files, func(file File) bool { return file.Path == "tests/arch/house_test.go" }) {
		t.Fatalf("this file was not found among %d files", len(files))
	}
	t.Run("clock", func(t *testing.T) { report(t, CheckClock(files)) })
	t.Run("sleep", func(t *testing.T) { report(t, CheckSleep(files)) })
	t.Run("package comments", func(t *testing.T) { report(t, CheckDocs(files)) })
	t.Run("function length", func(t *testing.T) { report(t, CheckLength(files, longFunctions)) })
}

func report(t *testing.T, violations []string) {
	t.Helper()
	for _, violation := range violations {
		t.Error(violation)
	}
}
