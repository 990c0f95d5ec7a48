package events

import (
	"path"
	"slices"
	"strings"
)

// Covers tells whether a file is among what was rejected, or may be: where a directory cannot be read nothing is known of
// the files in it.
func (x *SpecRejected) Covers(file string) bool {
	return file != "" && (x.GetFile() == file || x.GetFile() == path.Dir(file))
}

// unread is the position of a problem that is not in a file, but with it.
const unread = "0:0"

// complaint says what is wrong, as the end of a sentence.
func (x *SpecRejected) complaint() string {
	if slices.Contains(x.GetProblems(), unread) {
		return "cannot be read"
	}

	return "has problems at line:column " + strings.Join(x.GetProblems(), ", ")
}
