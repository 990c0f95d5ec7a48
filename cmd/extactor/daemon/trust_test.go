package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDirectoriesOfOthers walks the ways in which somebody else than root could get a file or link into a directory.
func TestDirectoriesOfOthers(t *testing.T) {
	needRoot(t, "gives directories to other users")

	for name, row := range map[string]struct {
		make    func(t *testing.T, directory string)
		refused string // by checkPrivate
		warned  string // by openTo
	}{
		"root's own": {make: func(*testing.T, string) {}},
		"of another user": {
			make:    func(t *testing.T, directory string) { must(t, os.Chown(directory, 1000, 0)) },
			refused: "belongs to user 1000", warned: "belongs to user 1000",
		},
		"of a group": {
			make: func(t *testing.T, directory string) {
				must(t, os.Chown(directory, 0, 50))
				must(t, os.Chmod(directory, 0o775))
			},
			refused: "may be written by group 50", warned: "may be written by group 50",
		},
		"of root's group": {make: func(t *testing.T, directory string) { must(t, os.Chmod(directory, 0o775)) }},
		"of everybody": {
			make:    func(t *testing.T, directory string) { must(t, os.Chmod(directory, 0o777)) },
			refused: "may be written by everybody", warned: "may be written by everybody",
		},
		"of everybody, sticky": {
			make:    func(t *testing.T, directory string) { must(t, os.Chmod(directory, 0o777|os.ModeSticky)) },
			refused: "may be written by everybody", warned: "may be written by everybody",
		},
		"below one of another user": {
			make:   func(t *testing.T, directory string) { must(t, os.Chown(filepath.Dir(directory), 1000, 0)) },
			warned: "belongs to user 1000",
		},
		"below a sticky one": {
			make: func(t *testing.T, directory string) { must(t, os.Chmod(filepath.Dir(directory), 0o777|os.ModeSticky)) },
		},
		"a link to one of everybody": {
			make: func(t *testing.T, directory string) {
				target := filepath.Join(filepath.Dir(directory), "target")
				must(t, os.Mkdir(target, 0o700))
				must(t, os.Chmod(target, 0o777))
				must(t, os.Remove(directory))
				must(t, os.Symlink(target, directory))
			},
			refused: "may be written by everybody", warned: "may be written by everybody",
		},
		"missing": {make: func(t *testing.T, directory string) { must(t, os.Remove(directory)) }},
		"missing below one of everybody": {
			make: func(t *testing.T, directory string) {
				must(t, os.Remove(directory))
				must(t, os.Chmod(filepath.Dir(directory), 0o777))
			},
			warned: "may be written by everybody",
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := filepath.Join(t.TempDir(), "above", "directory")
			must(t, os.MkdirAll(directory, 0o700))
			row.make(t, directory)

			err := checkPrivate("run", directory)
			if (err == nil) != (row.refused == "") || err != nil && !strings.Contains(err.Error(), row.refused) {
				t.Errorf("refused: %v, want %q", err, row.refused)
			}

			whose, err := openTo(directory)
			if err != nil {
				t.Fatal(err)
			}

			if (whose == "") != (row.warned == "") || !strings.Contains(whose, row.warned) {
				t.Errorf("warned: %q, want %q", whose, row.warned)
			}
		})
	}
}
