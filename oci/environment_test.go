package oci

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// environmentFile: lines, quotes and comments; values are literal.
func TestReadEnvironmentFile(t *testing.T) {
	for _, row := range []struct {
		name, content string
		want          []string
	}{
		{"sorted by name", "B=2\nA=1\n", []string{"A=1", "B=2"}},
		{"comments, blank lines, export, spaces", "# c\n\nexport A = 1 # rest\n", []string{"A=1"}},
		{"quotes", `A="x y"` + "\n" + `B='x "y"'`, []string{"A=x y", `B=x "y"`}},
		{"escapes in double quotes only", `A="x\ny"` + "\n" + `B='x\ny'`, []string{"A=x\ny", `B=x\ny`}},
		{"literal, never expanded", "A=1\nB=$A\nC=${A}\nD=\"$A\"\nE=$(id)\n", []string{"A=1", "B=$A", "C=${A}", "D=$A", "E=$(id)"}},
		{"last value of a name", "A=1\nA=2\n", []string{"A=2"}},
		{"value with =", "A=b=c\n", []string{"A=b=c"}},
		{"empty value", "A=\n", []string{"A="}},
		{"line ends of Windows", "A=1\r\nB=2\r\n", []string{"A=1", "B=2"}},
		{"empty file", "", []string{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file.env")
			mustWrite(t, path, row.content, 0o600)
			got, err := ReadEnvironmentFile(path)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "environment", got, row.want)
		})
	}
}

func TestReadEnvironmentFileErrors(t *testing.T) {
	directory := t.TempDir()
	path := func(name string) string { return filepath.Join(directory, name) }
	mustWrite(t, path("no-separator"), "A=1\nhunter2-secret\n", 0o600)
	mustWrite(t, path("quote"), "A=\"hunter2-secret\n", 0o600)
	mustWrite(t, path("nul"), `A="hunter2-secret\u0000"`, 0o600)
	mustWrite(t, path("large"), "A="+strings.Repeat("x", maxEnvironmentFile), 0o600)
	if err := unix.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"no-separator": "line 2: missing =",
		"quote":        `line 1: unmatched "`,
		"nul":          "the value of A contains a NUL byte",
		"large":        "more than the 1048576 that are allowed",
		"pipe":         "it is a named pipe, not a file",
		"missing":      "no such file or directory",
		".":            "it is a directory, not a file",
	} {
		_, err := ReadEnvironmentFile(path(name))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if got, prefix := err.Error(), "cannot read environment file \""+path(name)+"\": "; !strings.HasPrefix(got, prefix) ||
			!strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, want the end %q", name, got, want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a value: %v", name, err)
		}
	}
}

// environmentFile, environment, ExtensionServiceConfig: later wins, a name keeps its first place.
func TestMergeEnvironment(t *testing.T) {
	for _, row := range []struct {
		name  string
		lists [][]string
		want  []string
	}{
		{"nothing", nil, nil},
		{"later wins, in the first one's place", [][]string{{"A=1", "B=1"}, {"C=2", "A=2"}}, []string{"A=2", "B=1", "C=2"}},
		{"within one list", [][]string{{"A=1", "A=2"}}, []string{"A=2"}},
		{"without = removes", [][]string{{"A=1", "B=1"}, {"A"}}, []string{"B=1"}},
		{"removed and set again", [][]string{{"A=1", "B=1"}, {"A", "A=2"}}, []string{"B=1", "A=2"}},
		{"empty value stays", [][]string{{"A=1"}, {"A="}}, []string{"A="}},
	} {
		equal(t, row.name, MergeEnvironment(row.lists...), row.want)
	}
}
