package spec

import (
	"slices"
	"strings"
)

// section is one mapping of a service file: what it is called in messages, and its fields.
type section struct {
	title  string
	fields []string
	also   map[string]string // other accepted spellings of fields
}

// canonical returns the name under which the section knows the field, "" when it does not.
func (s section) canonical(name string) string {
	if slices.Contains(s.fields, name) {
		return name
	}
	return s.also[name]
}

// The sections of a service file.
var (
	fileSection = section{
		title:  "a service file",
		fields: []string{"name", "container", "depends", "restart", "logToConsole", "extactor"},
	}
	containerSection = section{
		title:  "container",
		fields: []string{"entrypoint", "environment", "environmentFile", "args", "mounts", "security"},
	}
	// The reference system reads the id mappings under lower-case names only; OCI writes them with capitals.
	mountSection = section{
		title:  "a mount",
		fields: []string{"source", "destination", "type", "options", "uidMappings", "gidMappings"},
		also:   map[string]string{"uidmappings": "uidMappings", "gidmappings": "gidMappings"},
	}
	idMappingSection = section{
		title:  "an id mapping",
		fields: []string{"containerID", "hostID", "size"},
		also:   map[string]string{"containerid": "containerID", "hostid": "hostID"},
	}
	securitySection = section{
		title:  "security",
		fields: []string{"writeableRootfs", "writeableSysfs", "maskedPaths", "readonlyPaths", "rootfsPropagation"},
	}
	dependencySection = section{
		title:  "an item of depends",
		fields: []string{"service", "path", "network", "time", "configuration"},
	}
	extactorSection = section{title: "extactor", fields: []string{"stop"}}
	stopSection     = section{title: "stop", fields: []string{"signal", "timeout"}}
)

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
		if nearest(candidate.name, m.section.fields) == name {
			m.unknown = slices.Delete(m.unknown, i, i+1)
			d.errorAt(candidate.key, "unknown field %s in %s: did you mean %q? It is required: %s",
				quote(candidate.name), m.section.title, name, allowed)
			return
		}
	}
	d.errorAt(m.at, "%s is required in %s: %s", name, m.section.title, allowed)
}

// unknownFields warns of fields that have no meaning. The reference system ignores them.
func (d *decoder) unknownFields(m *mapping) {
	for _, found := range m.unknown {
		d.warnAt(found.key, "unknown field %s in %s: %s", quote(found.name), m.section.title, hint(found.name, m.section))
	}
}

// hint says what might have been meant by an unknown field.
func hint(name string, in section) string {
	if best := nearest(name, in.fields); best != "" {
		return "did you mean \"" + best + "\"?"
	}
	for _, other := range []section{containerSection, securitySection} {
		if slices.Contains(other.fields, name) {
			return "it belongs under " + other.title
		}
	}
	if slices.Contains(fileSection.fields, name) {
		return "it belongs to the top level"
	}
	return "allowed are " + strings.Join(in.fields, ", ")
}
