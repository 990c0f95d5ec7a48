package spec

import (
	"maps"
	"strings"
	"time"
)

// shape is the JSON Schema of a value.
type shape map[string]any

// with returns the shape with one more keyword.
func (s shape) with(keyword string, value any) shape {
	changed := maps.Clone(s)
	changed[keyword] = value
	return changed
}

// or returns the shape with the value that counts where none is given.
func (s shape) or(value any) shape { return s.with("default", value) }

// The shapes of plain values.
var (
	plain = shape{"type": "string", "minLength": 1}
	// word is a text that may look like a number or a boolean: 8080 and true are legal items of args.
	word     = shape{"type": []string{"string", "number", "boolean"}}
	boolean  = shape{"type": "boolean", "default": false}
	onlyTrue = shape{"const": true}
	absolute = plain.with("pattern", "^/")
	socket   = absolute.with("maxLength", maxSocket)
	hostPort = matching(addressPattern)
	span     = matching(durationPattern)
	aSignal  = shape{"type": []string{"string", "integer"}, "pattern": signalPattern, "minimum": 1, "maximum": lastRealTime}
)

// whole is the shape of a whole number.
func whole(least, most int64) shape {
	return shape{"type": "integer", "minimum": least, "maximum": most}
}

// matching is the shape of a text that matches a regular expression.
func matching(pattern string) shape { return plain.with("pattern", pattern) }

// among is the shape of one of the texts.
func among[T ~string](allowed []T) shape { return shape{"enum": allowed} }

// list is the shape of a list.
func list(items shape) shape { return shape{"type": "array", "items": items} }

// listOf is the shape of a list of mappings.
func listOf(items section) shape { return list(items.shape()) }

// shape returns the JSON Schema of a mapping.
func (s section) shape() shape {
	mapping := shape{"type": "object", "additionalProperties": false}
	maps.Copy(mapping, s.further)
	properties := make(map[string]shape)
	for _, field := range s.fields {
		properties[field.name] = field.value.with("description", field.about)
	}
	spellings := make(map[string]string)
	for spelling, name := range s.also {
		properties[spelling] = properties[name].with("description", "Another spelling of "+name+".")
		spellings[name] = spelling
	}
	mapping["properties"] = properties

	var required []string
	var either []shape
	for _, field := range s.fields {
		if spelling := spellings[field.name]; field.required && spelling != "" {
			either = append(either, shape{"anyOf": []shape{needs(field.name), needs(spelling)}})
		} else if field.required {
			required = append(required, field.name)
		}
	}
	if required != nil {
		mapping["required"] = required
	}
	if either != nil {
		mapping["allOf"] = either
	}
	if s.oneOf != nil {
		choices := make([]shape, len(s.oneOf))
		for i, name := range s.oneOf {
			choices[i] = needs(name)
		}
		mapping["oneOf"] = choices
	}
	return mapping
}

// needs is the shape of a mapping in which the fields are given.
func needs(names ...string) shape { return shape{"required": names} }

// has is the shape of a mapping in which a field is given and has the shape.
func has(name string, value shape) shape {
	return needs(name).with("properties", map[string]shape{name: value})
}

// spelt writes a duration without its trailing zeros: 1m for 1m0s.
func spelt(d time.Duration) string {
	text := d.String()
	for _, zeros := range []struct{ behind, zeros string }{{"m0s", "0s"}, {"h0m", "0m"}} {
		if strings.HasSuffix(text, zeros.behind) {
			text = strings.TrimSuffix(text, zeros.zeros)
		}
	}
	return text
}
