package spec

import "github.com/goccy/go-yaml/ast"

// WarnOfDependency returns a warning at the place in a service file where it depends on a service. It reads the file again:
// where a dependency stands is no part of it, so that a file whose lines have moved is still the same. The warning is of
// the file as a whole where the dependency is not found in it any more.
func WarnOfDependency(path, service, message string) Problem {
	whole := Problem{File: path, Severity: Warning, Message: message}
	content, err := readRegular(path)
	if err != nil {
		return whole
	}
	d := newDecoder(serviceFormat, path)
	root := d.parseDocument(content)
	if root == nil {
		return whole
	}
	d.check(root, make(map[string]*ast.AnchorNode))
	file := d.mapping(fileSection, root)
	if file == nil {
		return whole
	}
	for _, node := range d.list(file, "depends", "dependencies") {
		each := d.mapping(dependencySection, node)
		if each == nil {
			continue
		}
		if named := d.text(each, "service"); named.text == service {
			d.problems = nil
			d.warnAt(named.at, "%s", message)
			return d.problems[0]
		}
	}
	return whole
}
