package picture

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// canvas collects the elements of one SVG document.
type canvas struct{ out strings.Builder }

// attribute is a name with its value, which is escaped when it is written.
type attribute struct{ name, value string }

func (c *canvas) element(name string, attributes ...attribute) {
	c.tag(name, attributes)
	c.out.WriteString("/>\n")
}

func (c *canvas) open(name string, attributes ...attribute) {
	c.tag(name, attributes)
	c.out.WriteString(">\n")
}

func (c *canvas) close(name string) { fmt.Fprintf(&c.out, "</%s>\n", name) }

func (c *canvas) tag(name string, attributes []attribute) {
	c.out.WriteString("<" + name)

	for _, attribute := range attributes {
		if attribute.value != "" {
			c.out.WriteString(" " + attribute.name + `="` + escape(attribute.value) + `"`)
		}
	}
}

// content writes an element that holds nothing but text.
func (c *canvas) content(name, text string, attributes ...attribute) {
	c.tag(name, attributes)
	c.out.WriteString(">" + escape(clean(text)) + "</" + name + ">\n")
}

// text writes one line whose baseline begins, has its middle or ends at x, as the anchor says; an empty
// one is left out.
func (c *canvas) text(x, y float64, class, anchor, text string) {
	if text == "" {
		return
	}

	c.content("text", text, attribute{"class", class}, attribute{"x", number(x)}, attribute{"y", number(y)}, attribute{"text-anchor", anchor})
}

// The anchors of a text; nothing means that it begins at its point.
const (
	anchorMiddle = "middle"
	anchorEnd    = "end"
)

func (c *canvas) box(x, y, width, height, radius float64, class string) {
	round := ""
	if radius > 0 {
		round = number(radius)
	}

	c.element("rect", attribute{"class", class}, attribute{"x", number(x)}, attribute{"y", number(y)},
		attribute{"width", number(width)}, attribute{"height", number(height)}, attribute{"rx", round})
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	c.path(class, "M%s %sL%s %s", x1, y1, x2, y2)
}

// path writes a path; every %s of its format stands for one of the numbers.
func (c *canvas) path(class, format string, numbers ...float64) {
	c.element("path", attribute{"class", class}, attribute{"d", numbered(format, numbers...)})
}

// document wraps what was drawn: the size, the words for who cannot see it, the colours, the ground.
func (c *canvas) document(width, height float64, title, description string) string {
	whole := &canvas{}
	whole.open("svg",
		attribute{"xmlns", "http://www.w3.org/2000/svg"}, attribute{"class", "extactor-picture"},
		attribute{"width", number(width)}, attribute{"height", number(height)},
		attribute{"viewBox", "0 0 " + number(width) + " " + number(height)},
		attribute{"role", "graphics-document"}, attribute{"aria-label", clean(title)})
	whole.content("title", title)
	whole.content("desc", description)
	whole.out.WriteString("<style>\n" + style() + "</style>\n")
	whole.box(0, 0, width, height, 0, "ground")
	whole.out.WriteString(c.out.String())
	whole.close("svg")

	return whole.out.String()
}

// number writes a length with at most one digit after the point.
func number(value float64) string {
	text := strconv.FormatFloat(value, 'f', 1, 64)

	text = strings.TrimSuffix(text, ".0")
	if text == "-0" {
		return "0"
	}

	return text
}

func escape(text string) string {
	var escaped strings.Builder

	_ = xml.EscapeText(&escaped, []byte(text)) // a strings.Builder takes everything

	return escaped.String()
}

// clean keeps a text in its one line: control characters become spaces, and what is invisible or turns the direction of
// writing, and what is not UTF-8, is shown as the replacement character.
func clean(text string) string {
	return strings.Map(func(char rune) rune {
		switch {
		case unicode.IsControl(char):
			return ' '
		case unicode.In(char, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || char&0xFFFE == 0xFFFE:
			return utf8.RuneError
		default:
			return char
		}
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}

// widthOf estimates how wide a text is, rather too wide than too narrow: the font is the viewer's.
func widthOf(text string, size float64) float64 {
	var width float64

	for _, char := range text {
		switch {
		case strings.ContainsRune("iljtfrI.,:;'|!()[]/ ", char):
			width += 0.38
		case strings.ContainsRune("mwMW@%", char):
			width += 0.95
		case unicode.IsUpper(char):
			width += 0.74
		case char >= 0x1100:
			width += 1.1
		default:
			width += 0.6
		}
	}

	return width * size
}

// shorten cuts a text so that it fits, and shows that there was more.
func shorten(text string, room, size float64) string {
	text = clean(text)
	if widthOf(text, size) <= room {
		return text
	}

	var kept []rune

	room -= widthOf("…", size)

	for _, char := range text {
		room -= widthOf(string(char), size)
		if room < 0 {
			break
		}

		kept = append(kept, char)
	}

	return strings.TrimRight(string(kept), " ") + "…"
}
