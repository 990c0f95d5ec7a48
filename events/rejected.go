package events

import (
	"path"
	"slices"
	"strings"
	"unicode"
)

// Covers tells whether a file is among what was rejected, or may be: where a directory cannot be read nothing is known of
// the files in it.
func (x *SpecRejected) Covers(file string) bool {
	return file != "" && (x.GetFile() == file || x.GetFile() == path.Dir(file))
}

// unread is what older records have for a problem that is not in a file, but with it.
const unread = "0:0"

// Trouble says what is wrong with a file, as the end of a sentence: where its problems are or, where it is wrong as a whole,
// what it is.
func (x *SpecRejected) Trouble() string {
	problems := strings.Join(x.GetProblems(), ", ")

	switch {
	case slices.Contains(x.GetProblems(), unread):
		return "cannot be read"
	case strings.IndexFunc(problems, unicode.IsDigit) == 0:
		return "has problems at line:column " + problems
	default:
		return "has a problem: " + problems
	}
}
