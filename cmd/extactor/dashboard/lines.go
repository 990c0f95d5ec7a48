package dashboard

import (
	"bytes"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

const (
	mostLines   = 2000 // of a log, and as many events, are kept
	longestLine = 4096 // bytes of one line are kept
)

// pane is a window on lines of which there are more and more.
type pane struct {
	back    int    // how many lines the lowest one in sight is above the newest; 0: the newest are followed
	told    bool   // the daemon has said which lines there are
	problem string // why there are no more
}

// grown keeps the same lines in sight for whom has scrolled up.
func (p *pane) grown(added, count int) {
	if p.back > 0 {
		p.back += added
		p.scroll(0, count)
	}
}

// scroll moves up by so many lines of count, down where it is negative.
func (p *pane) scroll(up, count int) {
	p.back = min(max(p.back+up, 0), max(count-1, 0))
}

// last lays out the lines that end where somebody has scrolled to: at most height, each as parts breaks it.
func (p *pane) last(count, height int, line func(int) string, parts func(string) []string) []string {
	var reversed []string // the lowest first

	for i := count - p.back - 1; i >= 0 && len(reversed) < height; i-- {
		broken := parts(line(i))
		slices.Reverse(broken)
		reversed = append(reversed, broken...)
	}

	reversed = reversed[:min(len(reversed), max(height, 0))]
	slices.Reverse(reversed)

	return reversed
}

// logLines are the last lines that a service printed.
type logLines struct {
	pane

	kept  []string // clean
	begun []byte   // the last line, as long as its end has not come
}

func (l *logLines) count() int { return len(l.kept) + min(len(l.begun), 1) }

func (l *logLines) line(i int) string {
	if i == len(l.kept) {
		return clean(string(l.begun))
	}

	return l.kept[i]
}

// write takes what a service printed, in pieces of any size.
func (l *logLines) write(text []byte) {
	before, added := l.count(), []string(nil)

	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		l.begun = append(l.begun, line[:min(len(line), max(longestLine-len(l.begun), 0))]...)

		if !ended {
			break
		}

		added = append(added, clean(string(l.begun)))
		l.begun, text = l.begun[:0], rest
	}

	l.add(before, added...)
}

// skip notes that something was left out.
func (l *logLines) skip() {
	before := l.count()
	l.begun = l.begun[:0]
	l.add(before, "(it prints faster than can be shown: lines were left out)")
}

func (l *logLines) add(before int, added ...string) {
	l.kept = append(l.kept, added...)
	excess := max(len(l.kept)-mostLines, 0)
	l.kept = slices.Delete(l.kept, 0, excess)
	l.grown(l.count()+excess-before, l.count())
}

// wrapped breaks a line wherever the edge is.
func wrapped(line string, width int) []string {
	var parts []string

	for width > 0 && ansi.StringWidth(line) > width {
		part := ansi.Truncate(line, width, "")
		if part == "" { // one character is wider
			return append(parts, "")
		}

		parts = append(parts, part)
		line = line[len(part):]
	}

	return append(parts, line)
}

// hanging breaks a line between words where that is possible; what follows begins below the given column.
func hanging(line string, column, width int) []string {
	if width < 2*column {
		return wrapped(line, width)
	}

	first := ansi.Truncate(line, column, "")
	parts := strings.Split(between(line[len(first):], width-column), "\n")

	for i := range parts {
		if i == 0 {
			parts[i] = first + parts[i]
		} else {
			parts[i] = spaces(column) + parts[i]
		}
	}

	return parts
}

// between breaks a text between words. Names have hyphens, and are easier to read, and to copy, in one piece.
func between(text string, width int) string {
	const hyphen, unbroken = "-", "\u2011"

	return strings.ReplaceAll(ansi.Wrap(strings.ReplaceAll(text, hyphen, unbroken), width, ""), unbroken, hyphen)
}
