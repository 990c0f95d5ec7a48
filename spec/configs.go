package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// What an ExtensionServiceConfig says of itself.
const (
	ConfigAPIVersion = "v1alpha1"
	ConfigKind       = "ExtensionServiceConfig"
)

var (
	configSection = section{
		title: "an " + ConfigKind,
		fields: []known{
			{name: "apiVersion", required: true}, {name: "kind", required: true}, {name: "name", required: true},
			{name: "configFiles"}, {name: "environment"},
		},
	}
	configFileSection = section{
		title:  "an item of configFiles",
		fields: []known{{name: "content", required: true}, {name: "mountPath", required: true}},
	}
	configFormat     = format{secret: true}
	onlyConfigFormat = format{secret: true, only: true}
)

// ParseConfigs reads and checks the ExtensionServiceConfig documents of one file; source is the name of the file for
// messages. A document with an error, or with the name of one before it, is reported and skipped; the others are
// returned. Documents of another kind, of which a machine configuration of Talos has many, are skipped with a warning.
// The problems never show what stands in the file, because it may be secret.
func ParseConfigs(source string, content []byte) ([]*Config, Problems) {
	return parseConfigs(configFormat, source, content, make(map[string]string))
}

// ParseOnlyConfigs does the same where nothing else may stand: a document of another kind is an error, which names it.
func ParseOnlyConfigs(source string, content []byte) ([]*Config, Problems) {
	return parseConfigs(onlyConfigFormat, source, content, make(map[string]string))
}

// LoadConfigDir reads the files *.yaml of a directory in the order of their names, as ParseConfigs does; a document with
// the name of one in an earlier file is reported and skipped. A directory that does not exist holds no documents, which
// is no problem.
func LoadConfigDir(dir string) ([]*Config, Problems) {
	paths, problems := filesOf(dir)
	var configs []*Config
	taken := make(map[string]string)
	for _, path := range paths {
		content, err := readRegular(path)
		if err != nil {
			problems = append(problems, unread(path, "file", err)...)
			continue
		}
		loaded, found := parseConfigs(configFormat, path, content, taken)
		problems = append(problems, found...)
		configs = append(configs, loaded...)
	}
	return configs, problems
}

// parseConfigs does the same; taken holds the names that are no longer free, with the place that has each.
func parseConfigs(format format, source string, content []byte, taken map[string]string) ([]*Config, Problems) {
	if len(content) > MaxFileSize {
		return nil, fileProblem(source, "the file is larger than %d bytes, which is the most that is allowed", MaxFileSize)
	}
	var configs []*Config
	var problems Problems
	for _, chunk := range split(content) {
		d := newDecoder(format, source)
		d.first = chunk.first
		config := d.config(chunk.text, taken)
		found := d.problems.sorted()
		problems = append(problems, found...)
		if config != nil && len(found.Errors()) == 0 {
			configs = append(configs, config)
		}
	}
	return configs, problems
}

// config reads one document; nil when it is none of ours.
func (d *decoder) config(content []byte, taken map[string]string) *Config {
	m := d.configMapping(content)
	if m == nil {
		return nil
	}
	config := &Config{Source: d.source}
	if version, ok := d.required(m, "apiVersion", ConfigAPIVersion); ok && version.text != ConfigAPIVersion {
		d.errorAt(version.at, "this apiVersion is unknown: allowed is %s", ConfigAPIVersion)
	}
	if name, ok := d.required(m, "name", "the name of the service without \"ext-\""); ok {
		config.Name = name.text
		switch earlier := taken[name.text]; {
		case validName(name.text) != "":
			d.errorAt(name.at, "this name is not allowed: a name consists of %s", nameRule)
		case earlier != "":
			d.errorAt(name.at, "the name %q is already taken by %s: each service has one document", name.text, earlier)
		case len(name.text) > len("ext-") && strings.HasPrefix(name.text, "ext-"):
			d.warnAt(name.at, "the name begins with \"ext-\": the document is for the service of this name in its file, without \"ext-\"")
		}
	}
	before := len(d.problems)
	config.Files = d.configFiles(m)
	for _, variable := range d.texts(m, "environment", "NAME=value") {
		if validAssignment(variable.text) != "" {
			d.errorAt(variable.at, "an environment variable is written NAME=value")
		}
		config.Environment = append(config.Environment, variable.text)
	}
	if len(config.Files) == 0 && len(config.Environment) == 0 && len(d.problems) == before {
		d.errorAt(m.at, "%s needs at least one of configFiles, environment", configSection.title)
	}
	d.unknownFields(m)
	if len(d.problems.Errors()) == 0 {
		taken[config.Name] = fmt.Sprintf("%s:%d", d.source, d.lineOf(m.at))
	}
	return config
}

// configMapping returns the document's mapping, or nil: with a warning where it is of another kind, without a problem
// where it is empty.
func (d *decoder) configMapping(content []byte) *mapping {
	root := d.parseDocument(content)
	if root == nil {
		return nil
	}
	d.check(root, make(map[string]*ast.AnchorNode))
	m := d.mapping(configSection, root)
	if m == nil {
		return nil
	}
	value, isText := d.resolve(m.fields["kind"].value).(*ast.StringNode)
	if d.only && !(isText && value.Value == ConfigKind) {
		d.otherKind(m, value)
		return nil
	}
	switch {
	case isText && value.Value == ConfigKind:
		return m
	case isText && nearest(value.Value, []string{ConfigKind}) != "":
		d.errorAt(startOf(value), "this kind is unknown: did you mean %q?", ConfigKind)
		return nil
	case !isText && len(m.fields) > 0:
		d.missing(m, "kind", ConfigKind)
		return nil
	}
	d.problems = nil // what is wrong in it is for others to say
	d.warnAt(m.at, "skipped: this document is no %s", ConfigKind)
	return nil
}

// plainKind is how kinds are written; what is written otherwise is not shown.
var plainKind = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)

// otherKind says what a document is that is none of ours; kind is nil where it does not say so as text.
func (d *decoder) otherKind(m *mapping, kind *ast.StringNode) {
	d.problems = nil // what is wrong in it does not matter
	const here = "only " + ConfigKind + " is applied here"
	ofTalos := slices.ContainsFunc(m.unknown, func(found field) bool { return found.name == "machine" || found.name == "cluster" })
	switch {
	case kind != nil && nearest(kind.Value, []string{ConfigKind}) != "":
		d.errorAt(startOf(kind), "this kind is unknown: did you mean %q?", ConfigKind)
	case kind != nil && plainKind.MatchString(kind.Value):
		d.errorAt(startOf(kind), "kind %q is not known: %s", kind.Value, here)
	case kind != nil:
		d.errorAt(startOf(kind), "this kind is not known: %s", here)
	case ofTalos:
		d.errorAt(m.at, "this is a machine configuration of Talos (machine, cluster): %s", here)
	default:
		d.missing(m, "kind", ConfigKind)
	}
}

func (d *decoder) configFiles(m *mapping) []ConfigFile {
	var files []ConfigFile
	lines := make(map[string]int) // where each mount path is given
	var paths []item
	for _, node := range d.list(m, "configFiles", "files with content and mountPath") {
		each := d.mapping(configFileSection, node)
		if each == nil {
			if d.absent(node) {
				d.errorAt(startOf(node), "this item of configFiles is empty: it needs content and mountPath")
			}
			continue
		}
		content, _ := d.required(each, "content", "the text of the file")
		mountPath, given := d.required(each, "mountPath", "the absolute path inside of the container")
		clean := path.Clean(mountPath.text)
		switch {
		case given && (!path.IsAbs(clean) || clean == "/"):
			d.errorAt(mountPath.at, "this mountPath is not the path of a file: it begins with \"/\" and a name follows")
		case given && lines[clean] != 0:
			d.errorAt(mountPath.at, "this mountPath is already given on line %d: each file has one of its own", lines[clean])
		case given:
			lines[clean] = d.lineOf(mountPath.at)
			paths = append(paths, item{text: clean, at: mountPath.at})
		}
		d.unknownFields(each)
		files = append(files, ConfigFile{Content: content.text, MountPath: mountPath.text})
	}
	for _, inner := range paths {
		for above := path.Dir(inner.text); above != "/"; above = path.Dir(above) {
			if line := lines[above]; line != 0 {
				d.errorAt(inner.at, "this mountPath lies below that of line %d, which is a file and no directory", line)
				break
			}
		}
	}
	return files
}
