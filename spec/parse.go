package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Parse reads and checks the content of one service file; source is the name of the file for messages. The service is
// nil when the problems contain an error.
func Parse(source string, content []byte) (*Service, Problems) {
	return parse(source, content, nil)
}

// parse does the same; a name in taken is refused with the file that has it.
func parse(source string, content []byte, taken map[string]string) (*Service, Problems) {
	d := newDecoder(serviceFormat, source)
	var loaded *Service
	if root := d.parseDocument(content); root != nil {
		d.check(root, make(map[string]*ast.AnchorNode))
		loaded = d.service(root, taken)
	}
	problems := d.problems.sorted()
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	return loaded, problems
}

func (d *decoder) service(root ast.Node, taken map[string]string) *Service {
	m := d.mapping(fileSection, root)
	if m == nil {
		return nil
	}
	s := &Service{Source: d.source, LogToConsole: d.flag(m, "logToConsole")}
	if name, ok := d.required(m, "name", nameRule); ok {
		s.Name = name.text
		if meant, prefixed := strings.CutPrefix(s.Name, "ext-"); prefixed && meant != "" {
			d.warnAt(name.at, "the service of the name %s is %s: did you mean %s?", quote(s.Name), quote(s.ID()), quote(meant))
		}
		d.demand(name, validName)
		if earlier := taken[name.text]; earlier != "" {
			d.errorAt(name.at, "the name %q is already taken by %s: each service needs a name of its own", name.text, earlier)
		} else if validName(name.text) == "" {
			d.advise(name, "ext-"+name.text, containerID)
		}
	}
	if container := d.mapping(containerSection, m.fields["container"].value); container != nil {
		s.Container = d.container(container)
	} else if d.absent(m.fields["container"].value) {
		d.missing(m, "container", "a mapping with at least entrypoint")
	}
	before := len(d.problems.Errors())
	s.Depends = d.dependencies(m, s)
	dependsWrong := len(d.problems.Errors()) > before
	if restart, ok := d.required(m, "restart", restartRule); ok {
		s.Restart = restartPolicy(restart.text)
		d.demand(restart, validRestart)
	}
	s.Extactor = d.extactor(m, s, dependsWrong)
	d.unknownFields(m)
	return s
}

func (d *decoder) container(m *mapping) Container {
	var c Container
	if entrypoint, ok := d.required(m, "entrypoint", "the program to run, as seen inside of the container"); ok {
		c.Entrypoint = entrypoint.text
	}
	c.Environment = d.checkedTexts(m, "environment", "NAME=value", validAssignment)
	c.EnvironmentFile = d.checkedText(m, "environmentFile", absolutePath)
	c.Args = d.checkedTexts(m, "args", "texts", nil)
	for _, node := range d.list(m, "mounts", "mounts") {
		if mount := d.mapping(mountSection, node); mount != nil {
			c.Mounts = append(c.Mounts, d.mount(mount))
		} else if d.absent(node) {
			d.errorAt(startOf(node), "this mount is empty: it needs at least a destination")
		}
	}
	if security := d.mapping(securitySection, m.fields["security"].value); security != nil {
		c.Security = Security{
			WriteableRootfs:   d.flag(security, "writeableRootfs"),
			WriteableSysfs:    d.flag(security, "writeableSysfs"),
			MaskedPaths:       d.checkedTexts(security, "maskedPaths", "absolute paths", absolutePath),
			ReadonlyPaths:     d.checkedTexts(security, "readonlyPaths", "absolute paths", absolutePath),
			RootfsPropagation: d.checkedText(security, "rootfsPropagation", validPropagation),
		}
		d.unknownFields(security)
	}
	d.unknownFields(m)
	return c
}

func (d *decoder) mount(m *mapping) Mount {
	destination, ok := d.required(m, "destination", "the absolute path inside of the container")
	if ok {
		d.demand(destination, absolutePath)
	}
	before := len(d.problems)
	source := d.text(m, "source")
	unread := len(d.problems) > before // which is reported
	mount := Mount{
		Source:      source.text,
		Destination: destination.text,
		Type:        d.text(m, "type").text,
		Options:     d.checkedTexts(m, "options", "mount options", validOption),
		UIDMappings: d.idMappings(m, "uidMappings"),
		GIDMappings: d.idMappings(m, "gidMappings"),
	}
	switch {
	case unread:
	case mount.isBind() && source.text == "":
		d.missing(m, "source", "the absolute path on the host that a bind mount shows")
	case mount.isBind():
		d.demand(source, absolutePath)
		if !mount.bound() && len(d.problems) == before {
			d.warnAt(m.at, "a mount of the type bind needs the option bind or rbind: runc mounts nothing without")
		}
	case mount.Type == "":
		d.missing(m, "type", "\"bind\", or a file system such as \"tmpfs\"")
	}
	d.unknownFields(m)
	return mount
}

func (d *decoder) idMappings(m *mapping, name string) []IDMapping {
	var mappings []IDMapping
	for _, node := range d.list(m, name, "id mappings") {
		if each := d.mapping(idMappingSection, node); each != nil {
			mappings = append(mappings, IDMapping{
				ContainerID: d.number(each, "containerID"),
				HostID:      d.number(each, "hostID"),
				Size:        d.number(each, "size"),
			})
			d.unknownFields(each)
		} else if d.absent(node) {
			d.errorAt(startOf(node), "this item of %s is empty: it needs containerID, hostID and size", name)
		}
	}
	return mappings
}

func (d *decoder) number(m *mapping, name string) uint32 {
	allowed := fmt.Sprintf("a number from 0 to %d", uint32(math.MaxUint32))
	text, ok := d.required(m, name, allowed)
	if !ok {
		return 0
	}
	number, err := strconv.ParseUint(text.text, 0, 32)
	if err != nil {
		d.errorAt(text.at, "%s must be %s, not %s", name, allowed, quote(text.text))
	}
	return uint32(number)
}

// rule tells what is wrong with a value and what is allowed; "" means nothing is.
type rule func(text string) string

// demand makes a broken rule an error.
func (d *decoder) demand(value item, rule rule) {
	if wrong := rule(value.text); wrong != "" {
		d.errorAt(value.at, "%s", wrong)
	}
}

// advise makes a broken rule a warning; text is what the rule looks at.
func (d *decoder) advise(value item, text string, rule rule) {
	if wrong := rule(text); wrong != "" {
		d.warnAt(value.at, "%s", wrong)
	}
}

// checkedText reads an optional text field; an empty value is the same as none.
func (d *decoder) checkedText(m *mapping, name string, rule rule) string {
	value := d.text(m, name)
	if value.text != "" {
		d.demand(value, rule)
	}
	return value.text
}

// checkedTexts reads a list of texts: nil when it is absent, empty when it is empty.
func (d *decoder) checkedTexts(m *mapping, name, of string, rule rule) []string {
	items := d.texts(m, name, of)
	if items == nil {
		return nil
	}
	texts := make([]string, len(items))
	for i, value := range items {
		texts[i] = value.text
		if rule != nil {
			d.demand(value, rule)
		}
	}
	return texts
}
