package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"

	"github.com/extactor/extactor/events"
)

// columnGap is what Talos's client leaves between columns.
const columnGap = 3

// widestState is the room that a column of states needs, where rows come one by one.
const widestState = len(events.StateInitialized)

// table writes rows in columns three spaces apart, as Talos's client does. Columns only ever grow, so that rows which
// come later stand under those before them as well as can be.
type table struct {
	out    io.Writer
	widths []int
	most   int // columns of the terminal: what is wider is cut; 0: nothing is
}

// cell is one field of a row.
type cell struct {
	text  string
	style lipgloss.Style
}

// write writes rows; what does not fit widens its column from the first of these rows on.
func (t *table) write(rows ...[]cell) {
	for _, line := range t.lines(rows...) {
		fmt.Fprintln(t.out, line)
	}
}

func (t *table) lines(rows ...[]cell) []string {
	for _, row := range rows {
		for i, cell := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, 0)
			}

			t.widths[i] = max(t.widths[i], lipgloss.Width(cell.text))
		}
	}

	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = t.line(row)
	}

	return lines
}

// line lays out one row, up to the edge of the terminal.
func (t *table) line(row []cell) string {
	var line strings.Builder

	begin := 0

	for i, cell := range row {
		text := cell.text
		if t.most > 0 {
			text = cut(text, t.most-begin)
		}

		line.WriteString(cell.style.Render(text))

		begin += t.widths[i] + columnGap
		if i == len(row)-1 || t.most > 0 && begin >= t.most {
			break
		}

		line.WriteString(strings.Repeat(" ", t.widths[i]-lipgloss.Width(text)+columnGap))
	}

	return strings.TrimRight(line.String(), " ")
}

// cut keeps as much of a text as fits, and shows that there was more.
func cut(text string, width int) string {
	if lipgloss.Width(text) <= width {
		return text
	}

	var kept strings.Builder

	left := width - 1 // for the ellipsis

	for _, char := range text {
		left -= lipgloss.Width(string(char))
		if left < 0 {
			break
		}

		kept.WriteRune(char)
	}

	return kept.String() + "…"
}

// plain makes a row without colours.
func plain(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i] = cell{text: oneLine(text)}
	}

	return row
}

// oneLine keeps what services and runtimes say from breaking the table or moving the cursor.
func oneLine(text string) string {
	return strings.Map(func(char rune) rune {
		if unicode.IsControl(char) {
			return ' '
		}

		return char
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// palette are the colours of states.
type palette struct{ good, busy, bad lipgloss.Style }

// terminalPalette has colours where stdout is a terminal and NO_COLOR is not set; lipgloss looks for both.
func terminalPalette() palette {
	renderer := lipgloss.NewRenderer(os.Stdout)

	return palette{
		good: renderer.NewStyle().Foreground(lipgloss.Color("2")),
		busy: renderer.NewStyle().Foreground(lipgloss.Color("3")),
		bad:  renderer.NewStyle().Foreground(lipgloss.Color("1")),
	}
}

func (p palette) state(state string) lipgloss.Style {
	switch state {
	case events.StateRunning:
		return p.good
	case events.StateFailed:
		return p.bad
	case events.StateWaiting, events.StatePreparing, events.StateStopping:
		return p.busy
	default:
		return lipgloss.Style{}
	}
}

func (p palette) health(health string) lipgloss.Style {
	switch health {
	case "OK":
		return p.good
	case "Fail":
		return p.bad
	default:
		return lipgloss.Style{}
	}
}

// counted says how many there are of something.
func counted[T int | uint64](count T, one, many string) string {
	if count == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", count, many)
}
