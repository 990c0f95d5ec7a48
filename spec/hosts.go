package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The sections of /etc/extactor/extactor.yaml. The fields of hostServices are the names of the services.
var (
	settingsSection     = section{title: "the settings", fields: []known{{name: "hostServices"}}}
	hostServicesSection = section{title: "hostServices"}
	hostServiceSection  = section{
		title:  "a host service",
		fields: []known{{name: "socket"}, {name: "path"}, {name: "systemd"}, {name: "tcp"}, {name: "assume"}},
		oneOf:  []string{"socket", "path", "systemd", "tcp", "assume"},
	}
	settingsFormat = format{single: "the settings are one document"}

	hostNameExpression = regexp.MustCompile(`^[A-Za-z0-9][-_.@A-Za-z0-9]*$`)
)

// LoadHostServices reads the host services of a file, as ParseHostServices does. A file that does not exist holds none,
// which is no problem.
func LoadHostServices(path string) ([]HostService, Problems) {
	content, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileProblem(path, "cannot read file: %v", cause(err))
	}
	return ParseHostServices(path, content)
}

// ParseHostServices reads and checks the key hostServices of the settings, /etc/extactor/extactor.yaml; source is the
// name of the file for messages. A service with an error is reported and skipped; the others are returned, in the order
// of the file.
func ParseHostServices(source string, content []byte) ([]HostService, Problems) {
	d := newDecoder(settingsFormat, source)
	root := d.parseDocument(content)
	if root == nil {
		return nil, d.problems
	}
	d.check(root, make(map[string]*ast.AnchorNode))
	var services []HostService
	if m := d.mapping(settingsSection, root); m != nil {
		services = d.hostServices(m)
		d.unknownFields(m)
	}
	return services, d.problems.sorted()
}

func (d *decoder) hostServices(m *mapping) []HostService {
	named := d.mapping(hostServicesSection, m.fields["hostServices"].value)
	if named == nil {
		return nil
	}
	var services []HostService
	for _, each := range named.unknown { // in file order
		before := len(d.problems.Errors())
		if wrong := validHostName(each.name); wrong != "" {
			d.errorAt(each.key, "%s", wrong)
		}
		probe := d.mapping(hostServiceSection, each.value)
		if probe == nil {
			if d.absent(each.value) {
				d.errorAt(each.key, "%s says nothing: it needs %s", quote(each.name), hostServiceSection.choice())
			}
			continue
		}
		service := d.hostService(probe)
		service.Name = each.name
		if len(d.problems.Errors()) == before {
			services = append(services, service)
		}
	}
	return services
}

func (d *decoder) hostService(m *mapping) HostService {
	before := len(d.problems)
	assume := d.checkedText(m, "assume", func(text string) string { return oneOf("assume", text, []string{"up"}) })
	service := HostService{
		Socket:  d.checkedText(m, "socket", validSocket),
		Path:    d.checkedText(m, "path", absolutePath),
		Systemd: d.checkedText(m, "systemd", validUnit),
		TCP:     d.checkedText(m, "tcp", validAddress),
		Assume:  assume != "",
	}
	d.exactlyOne(m, before, service.Socket != "", service.Path != "", service.Systemd != "", service.TCP != "", service.Assume)
	d.unknownFields(m)
	return service
}

func validHostName(name string) string {
	switch {
	case strings.HasPrefix(name, "ext-"):
		return fmt.Sprintf("%s cannot be a host service: names that begin with \"ext-\" are those of extension services", quote(name))
	case name == "containerd":
		return "containerd cannot be a host service: it is always extactor's own connection to containerd"
	case name == "journal" || name == "logd":
		return name + " cannot be a host service: it is a part of extactor"
	case !hostNameExpression.MatchString(name):
		return fmt.Sprintf("the name %s is not allowed: a name consists of letters, digits, \"-\", \"_\", \".\" and \"@\"", quote(name))
	}
	return ""
}

func validUnit(text string) string {
	if unitExpression.MatchString(text) {
		return ""
	}
	return fmt.Sprintf("the systemd unit %s is not allowed: it is a name with its type, such as crio.service", quote(text))
}
