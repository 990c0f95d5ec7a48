package spec

import (
	"slices"
	"strings"
)

// section is one mapping of a file: what it is called in messages, and its fields. The parser, the messages and the JSON
// Schema all read it.
type section struct {
	title   string
	fields  []known
	also    map[string]string // other accepted spellings of fields
	oneOf   []string          // fields of which exactly one is given
	further shape             // what else the JSON Schema demands of the mapping
}

// known is a field of a section.
type known struct {
	name     string
	required bool
	about    string // for people: what it means
	value    shape
}

// canonical returns the name under which the section knows the field, "" when it does not.
func (s section) canonical(name string) string {
	for _, field := range s.fields {
		if field.name == name {
			return name
		}
	}
	return s.also[name]
}

// names returns the names of the fields, in the order of the table.
func (s section) names() []string {
	names := make([]string, len(s.fields))
	for i, field := range s.fields {
		names[i] = field.name
	}
	return names
}

// choice says which of the fields must be given.
func (s section) choice() string { return "exactly one of " + strings.Join(s.oneOf, ", ") }

// required returns the text of a field that must be given. A field that is missing because it was misspelt is one
// mistake, and is reported where it stands.
func (d *decoder) required(m *mapping, name, allowed string) (item, bool) {
	if found, given := m.fields[name]; given {
		before := len(d.problems)
		text := d.text(m, name)
		if text.text == "" && len(d.problems) == before && !d.unresolved(found.value) {
			d.errorAt(text.at, "%s must not be empty: %s", name, allowed)
		}
		return text, text.text != ""
	}
	d.missing(m, name, allowed)
	return item{}, false
}

// missing reports that a field is not there.
func (d *decoder) missing(m *mapping, name, allowed string) {
	for i, candidate := range m.unknown {
		if nearest(candidate.name, m.section.names()) == name {
			m.unknown = slices.Delete(m.unknown, i, i+1)
			d.errorAt(candidate.key, "unknown field %s in %s: did you mean %q? It is required: %s",
				d.quote(candidate.name), m.section.title, name, allowed)
			return
		}
	}
	d.errorAt(m.at, "%s is required in %s: %s", name, m.section.title, allowed)
}

// unknownFields warns of fields that have no meaning. The reference system ignores them.
func (d *decoder) unknownFields(m *mapping) {
	for _, found := range m.unknown {
		d.warnAt(found.key, "unknown field %s in %s: %s", d.quote(found.name), m.section.title, d.hint(found.name, m.section))
	}
}

// hint says what might have been meant by an unknown field.
func (d *document) hint(name string, in section) string {
	if in.title == dependencySection.title && optionsSection.canonical(name) != "" {
		return "it belongs under extactor: depends:, in an item that repeats this dependency"
	}
	if best := nearest(name, in.names()); best != "" {
		return "did you mean \"" + best + "\"?"
	}
	for _, other := range d.places {
		switch {
		case other.canonical(name) == "":
		case other.title == fileSection.title:
			return "it belongs to the top level"
		default:
			return "it belongs under " + other.title
		}
	}
	return "allowed are " + strings.Join(in.names(), ", ")
}
