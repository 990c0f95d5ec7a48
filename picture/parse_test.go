package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

// drawn is an element of a picture with the text in it.
type drawn struct {
	name       string
	parent     string // class of the element around it
	attributes map[string]string
	text       string
}

func (d drawn) length(name string) float64 {
	value, _ := strconv.ParseFloat(d.attributes[name], 64)

	return value
}

func (d drawn) has(class string) bool {
	for _, each := range strings.Fields(d.attributes["class"]) {
		if each == class {
			return true
		}
	}

	return false
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var _ fataler = (*testing.T)(nil)

// parse reads a picture as a viewer does, and fails where it is no XML, holds a script or needs anything from outside.
func parse(t fataler, picture string) []drawn {
	t.Helper()

	var (
		all  []drawn
		open []int
	)

	decoder := xml.NewDecoder(strings.NewReader(picture))

	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}

		if err != nil {
			t.Fatalf("no XML: %v in\n%s", err, picture)
		}

		switch token := token.(type) {
		case xml.StartElement:
			element := drawn{name: token.Name.Local, attributes: map[string]string{}}
			for _, attribute := range token.Attr {
				element.attributes[attribute.Name.Local] = attribute.Value
				if strings.HasPrefix(attribute.Name.Local, "on") || strings.HasSuffix(attribute.Name.Local, "href") || attribute.Name.Local == "style" {
					t.Errorf("attribute %s of %s", attribute.Name.Local, token.Name.Local)
				}
			}

			if len(open) > 0 {
				element.parent = all[open[len(open)-1]].attributes["class"]
			}

			open = append(open, len(all))
			all = append(all, element)
		case xml.CharData:
			if len(open) > 0 {
				all[open[len(open)-1]].text += string(token)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}

	known := map[string]bool{"svg": true, "title": true, "desc": true, "style": true, "g": true, "rect": true, "path": true, "text": true, "circle": true}
	for _, element := range all {
		if !known[element.name] {
			t.Errorf("element %s", element.name)
		}

		if element.name == "style" && strings.ContainsAny(element.text, "@<\\") && strings.Count(element.text, "@") != 1 {
			t.Errorf("style imports something")
		}
	}

	return all
}

// checkInside fails where a text or a box is not within the picture.
func checkInside(t fataler, all []drawn) {
	t.Helper()

	const lines = 4 // room for what is below the baseline

	width, height := all[0].length("width"), all[0].length("height")
	if want := "0 0 " + all[0].attributes["width"] + " " + all[0].attributes["height"]; all[0].attributes["viewBox"] != want {
		t.Errorf("viewBox %q, want %q", all[0].attributes["viewBox"], want)
	}

	for _, element := range all {
		x, y := element.length("x"), element.length("y")

		switch element.name {
		case "rect":
			if x < 0 || y < 0 || x+element.length("width") > width+0.1 || y+element.length("height") > height+0.1 {
				t.Errorf("box %v is outside of %v x %v", element.attributes, width, height)
			}
		case "text":
			long := widthOf(element.text, sizeOf(element))

			switch element.attributes["text-anchor"] {
			case anchorEnd:
				x -= long
			case anchorMiddle:
				x -= long / 2
			}

			if x < 0 || x+long > width || y-sizeOf(element) < 0 || y+lines > height {
				t.Errorf("text %q from %v to %v at %v is outside of %v x %v", element.text, x, x+long, y, width, height)
			}
		}
	}
}

func sizeOf(element drawn) float64 {
	switch {
	case element.has("title"):
		return 18
	case element.has("small"):
		return 11
	case element.has("tiny"):
		return 10
	default:
		return 12
	}
}
