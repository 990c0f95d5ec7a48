package author

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/extactor/extactor/spec"
)

// Problems show what is wrong in files, with the lines in question, once for as long as it stands.
type Problems struct {
	out      io.Writer
	standing map[spec.Problem]bool
	failed   bool
}

// NewProblems returns a reporter of problems to a writer.
func NewProblems(out io.Writer) *Problems { return &Problems{out: out} }

// Show is given everything that is wrong now.
func (p *Problems) Show(problems spec.Problems) {
	standing, failed, added := make(map[spec.Problem]bool, len(problems)), false, false

	for _, problem := range problems {
		standing[problem] = true
		failed = failed || problem.Severity == spec.Error

		if !p.standing[problem] {
			shown := problem
			shown.File = short(problem.File)
			fmt.Fprintln(p.out, shown)

			added = true
		}
	}

	switch {
	case failed && added:
		fmt.Fprintln(p.out, "extactor: waiting for the correction; what runs goes on as it is")
	case p.failed && !failed:
		fmt.Fprintln(p.out, "extactor: all files are valid now")
	}

	p.standing, p.failed = standing, failed
}

// short is the path as a person in this directory would write it.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}

	relative, err := filepath.Rel(here, path)
	if err != nil || relative == ".." || strings.HasPrefix(relative, "../") {
		return path
	}

	return relative
}
