package dashboard

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// keys are what the help says.
var keys = [][2]string{
	{"up down j k", "select, or scroll"},
	{"pgup pgdn", "the same by a page"},
	{"home end g G", "to the first, the last"},
	{"enter", "all about one service"},
	{"left right", "there: before, after"},
	{"esc", "back; clear the filter"},
	{"tab", "events or log"},
	{"s  S  r", "start, stop, restart"},
	{"/", "filter services"},
	{"o  q", "trouble first; quit"},
}

func (m *Model) helpLines() []string {
	lines := make([]string, len(keys))
	for i, key := range keys {
		lines[i] = fmt.Sprintf("%-14s%s", key[0], key[1])
	}

	return lines
}

// confirmLines asks for an order to be confirmed. However narrow the screen, the keys are on it.
func (m *Model) confirmLines() []string {
	action := strings.ToUpper(m.asked.action[:1]) + m.asked.action[1:]
	question := m.glyphs.cut(action+" "+clean(m.asked.id), m.width-6) + "?"

	return []string{question, "", "y yes   n no"}
}

// overlay draws a box with a text over the middle of the screen, and takes the colours from the rest.
func (m *Model) overlay(lines, text []string) {
	const border = 4 // columns

	g, inner := m.glyphs, 0
	for _, line := range text {
		inner = max(inner, ansi.StringWidth(line))
	}

	inner = min(inner, max(m.width-border, 0))
	edge := strings.Repeat(g.rule, inner+border-2)
	box := []string{g.topLeft + edge + g.topRight}

	for _, line := range text[:min(len(text), max(m.height-2, 0))] {
		box = append(box, g.left+" "+g.fit(line, inner)+" "+g.right)
	}

	box = append(box, g.bottomLeft+edge+g.bottomRight)
	x, y := max((m.width-inner-border)/2, 0), max((m.height-len(box))/2, 0)

	for i, line := range lines {
		line = ansi.Strip(line)

		if i < y || i >= y+len(box) {
			lines[i] = paint(faintStyle, line)

			continue
		}

		before := g.fit(ansi.Truncate(line, x, ""), x)
		after := ansi.TruncateLeft(line, x+inner+border, "")
		lines[i] = paint(faintStyle, before) + paint(strongStyle, box[i-y])
		lines[i] = g.cut(lines[i]+paint(faintStyle, after), m.width)
	}
}
