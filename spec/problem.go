package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Severity says whether a problem keeps the file from being loaded.
type Severity string

// The severities. A file with an error is not loaded; a file with warnings is.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing wrong in a file.
type Problem struct {
	File       string
	Line       int // from 1; 0: the problem is the file as a whole
	Column     int // from 1, in characters
	Severity   Severity
	Message    string // what is wrong and what is allowed
	SourceLine string // the text of Line, without its line break; "" where the file may hold secrets
	Unread     bool   // the system failed to read File, which it may not at the next try
}

// maxExcerpt is how many characters of a source line are shown around the column.
const maxExcerpt = 120

// String renders the problem as "file:line:col: message", with the source line and a caret under it.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.SourceLine != "" {
		excerpt, caret := p.excerpt()
		number := fmt.Sprint(p.Line)
		fmt.Fprintf(&b, "\n  %s | %s\n  %s | %s", number, excerpt, strings.Repeat(" ", len(number)), caret)
	}
	return b.String()
}

// excerpt returns the part of the source line around the column, safe for a terminal, and a caret under the column.
func (p Problem) excerpt() (text, caret string) {
	line := []rune(p.SourceLine)
	at := min(max(p.Column-1, 0), len(line))
	before, after := "", ""
	if at > maxExcerpt*2/3 && len(line) > maxExcerpt {
		cut := at - maxExcerpt/3
		line, at, before = line[cut:], at-cut, "..."
	}
	if len(line) > maxExcerpt {
		line, after = line[:maxExcerpt], "..."
	}
	pad := make([]rune, at)
	for i, r := range line {
		if r != '\t' && !unicode.IsPrint(r) {
			line[i] = unicode.ReplacementChar
		}
		if i < at {
			pad[i] = ' '
			if r == '\t' {
				pad[i] = '\t' // so that the caret stands right whatever the width of a tab
			}
		}
	}
	return before + string(line) + after, strings.Repeat(" ", len(before)) + string(pad) + "^"
}

// Problems is everything found wrong, in the order of the file.
type Problems []Problem

// Errors returns those that keep a file from being loaded.
func (p Problems) Errors() Problems { return p.of(Error) }

// Warnings returns those that do not.
func (p Problems) Warnings() Problems { return p.of(Warning) }

func (p Problems) of(severity Severity) Problems {
	var found Problems
	for _, problem := range p {
		if problem.Severity == severity {
			found = append(found, problem)
		}
	}
	return found
}

// Failed tells whether the check failed: with an error or, where strict, with anything at all.
func (p Problems) Failed(strict bool) bool {
	return len(p.Errors()) > 0 || strict && len(p) > 0
}

// String renders every problem, one below the other.
func (p Problems) String() string {
	texts := make([]string, len(p))
	for i, problem := range p {
		texts[i] = problem.String()
	}
	return strings.Join(texts, "\n")
}

// sorted puts the problems of one file in the order of its lines, each once: an anchor that is used twice would
// otherwise report the mistakes in it twice.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var once Problems
	seen := make(map[Problem]bool, len(p))
	for _, problem := range p {
		if !seen[problem] {
			seen[problem] = true
			once = append(once, problem)
		}
	}
	return once
}
