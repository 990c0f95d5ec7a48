package dashboard

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// glyphs are the characters that are drawn with.
type glyphs struct {
	ellipsis, rule, upDown                                  string
	left, right, topLeft, topRight, bottomLeft, bottomRight string
}

func glyphsOf(ascii bool) glyphs {
	if ascii {
		return glyphs{"~", "-", "up/down", "|", "|", "+", "+", "+", "+"}
	}

	return glyphs{"…", "─", "↑↓", "│", "│", "╭", "╮", "╰", "╯"}
}

// The styles. What they say is always said in words as well, because a terminal may have none.
var (
	plainStyle  = ansi.Style{}
	strongStyle = plainStyle.Bold()
	faintStyle  = plainStyle.Faint()
	markedStyle = plainStyle.Reverse(true)
	goodStyle   = plainStyle.ForegroundColor(ansi.Green)
	busyStyle   = plainStyle.ForegroundColor(ansi.Yellow)
	badStyle    = plainStyle.ForegroundColor(ansi.Red)
	alarmStyle  = badStyle.Bold().Reverse(true)
)

// paint is Styled for a style that may be empty.
func paint(style ansi.Style, text string) string {
	if len(style) == 0 || text == "" {
		return text
	}

	return style.Styled(text)
}

func stateStyle(state string) ansi.Style {
	switch state {
	case events.StateRunning:
		return goodStyle
	case events.StateFailed:
		return badStyle
	case events.StateWaiting, events.StatePreparing, events.StateStopping:
		return busyStyle
	default:
		return plainStyle
	}
}

func healthStyle(word string) ansi.Style {
	switch word {
	case "OK":
		return goodStyle
	case "Fail":
		return badStyle
	default:
		return plainStyle
	}
}

func healthWord(service *apiv1.Service) string {
	switch health := service.GetHealth(); {
	case health.GetUnknown():
		return "?"
	case health.GetHealthy():
		return "OK"
	default:
		return "Fail"
	}
}

// cut keeps as much of a text as fits into the width, and shows that there was more.
func (g glyphs) cut(text string, width int) string {
	switch {
	case width <= 0:
		return ""
	case ansi.StringWidth(text) <= width:
		return text
	default:
		return ansi.Truncate(text, width, g.ellipsis)
	}
}

// fit makes a text exactly as wide as the width.
func (g glyphs) fit(text string, width int) string {
	text = g.cut(text, width)

	return text + spaces(width-ansi.StringWidth(text))
}

func spaces(count int) string { return strings.Repeat(" ", max(count, 0)) }

// tabStop is where the terminals of programs that print tabs have them.
const tabStop = 8

// clean makes harmless what services, runtimes and files say: no escape sequence and no control character is left, nor
// any character that has no width of its own by which terminals and we could disagree.
func clean(text string) string {
	text = ansi.Strip(strings.ToValidUTF8(text, "\uFFFD"))

	var cleaned strings.Builder

	column := 0

	for _, char := range text {
		switch {
		case char == '\t':
			size := tabStop - column%tabStop
			cleaned.WriteString(spaces(size))
			column += size

			continue
		case unicode.Is(unicode.Cf, char), unicode.Is(unicode.Variation_Selector, char):
			continue // joiners, marks of direction, byte order
		case unicode.IsControl(char), char == '\u2028', char == '\u2029':
			char = ' '
		}

		cleaned.WriteRune(char)
		column += ansi.StringWidth(string(char))
	}

	return strings.TrimRight(cleaned.String(), " ")
}

// age is how long ago something was: by the boot clock within this boot, as the wall clock may have jumped since; else by
// the wall clock. It is never negative.
func (c Clock) age(at *apiv1.Moment) time.Duration {
	age := c.WallNS - at.GetWallNs()
	if at.GetBootId() == c.BootID && c.BootID != "" {
		age = c.BootNS - at.GetBootNs()
	}

	return time.Duration(max(age, 0))
}

// short is a duration in at most six characters: "12s", "3m12s", "3h12m", "3d4h", "312d".
func short(duration time.Duration) string {
	const day = 24 * time.Hour

	seconds, minutes, hours := int(duration/time.Second), int(duration/time.Minute), int(duration/time.Hour)
	days := int(duration / day)

	switch {
	case duration < time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case duration < time.Hour:
		return fmt.Sprintf("%dm%ds", minutes, seconds%60)
	case duration < day:
		return fmt.Sprintf("%dh%dm", hours, minutes%60)
	case days < 100:
		return fmt.Sprintf("%dd%dh", days, hours%24)
	default:
		return fmt.Sprintf("%dd", days)
	}
}

// size is a number of bytes in at most six characters: "812K", "12.4M", "1.2G".
func size(bytes uint64) string {
	value, unit := float64(bytes)/1024, 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}

	if unit == 0 || value >= 100 {
		return fmt.Sprintf("%.0f%s", value, units[unit])
	}

	return fmt.Sprintf("%.1f%s", value, units[unit])
}

var units = []string{"K", "M", "G", "T", "P"}

// percent is a share of one processor in at most six characters: "0.3%", "35%", "160%".
func percent(share float64) string {
	if share < 9.95 {
		return fmt.Sprintf("%.1f%%", share)
	}

	return fmt.Sprintf("%.0f%%", share)
}
