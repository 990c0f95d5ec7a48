package spec

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// item is a text with the place where it stands.
type item struct {
	text string
	at   *token.Token
}

// list returns the values of a list field; nil when it is absent, null or no list.
func (d *decoder) list(m *mapping, name, of string) []ast.Node {
	found := m.fields[name]
	resolved := d.resolve(found.value)
	if resolved == nil {
		return nil
	}
	sequence, ok := resolved.(*ast.SequenceNode)
	if !ok {
		d.errorAt(startOf(resolved), "%s must be a list of %s, each on a line of its own after %q, not %s",
			name, of, "- ", d.kindOf(resolved))
		return nil
	}
	return append([]ast.Node{}, sequence.Values...)
}

// texts returns a list of texts: nil when the field is absent, empty when the list is.
func (d *decoder) texts(m *mapping, name, of string) []item {
	values := d.list(m, name, of)
	if values == nil {
		return nil
	}
	items := make([]item, 0, len(values))
	for _, value := range values {
		if d.absent(value) {
			d.warnAt(startOf(value), "this item of %s is empty and read as \"\": write \"\" if that is meant", name)
			items = append(items, item{at: startOf(value)})
		} else if text, ok := d.scalar("an item of "+name, value); ok {
			items = append(items, text)
		}
	}
	return items
}

// text returns a text field; the empty item when it is absent, null or of the wrong type.
func (d *decoder) text(m *mapping, name string) item {
	found := m.fields[name]
	if d.resolve(found.value) == nil {
		return item{at: found.key}
	}
	text, _ := d.scalar(name, found.value)
	return text
}

// scalar reads numbers and booleans as the text that was written: 8080 and true are legal items of args.
func (d *decoder) scalar(name string, node ast.Node) (item, bool) {
	resolved := d.resolve(node)
	var text string
	switch value := resolved.(type) {
	case nil:
		return item{}, false
	case *ast.StringNode:
		text = value.Value
	case *ast.LiteralNode:
		text = value.Value.Value
	case ast.ScalarNode:
		text = value.GetToken().Value
	default:
		d.errorAt(startOf(resolved), "%s must be a single value, not %s", name, d.kindOf(resolved))
		return item{}, false
	}
	at := startOf(resolved)
	if strings.ContainsRune(text, 0) {
		d.errorAt(at, "%s contains a NUL character, which no program can be given", name)
		return item{}, false
	}
	return item{text: text, at: at}, d.spend(len(text)+nodeCost, at)
}

// flag returns a boolean field, false when it is absent. Like the reference system it knows the words of YAML 1.1 too.
func (d *decoder) flag(m *mapping, name string) bool {
	resolved := d.resolve(m.fields[name].value)
	switch value := resolved.(type) {
	case nil:
		return false
	case *ast.BoolNode:
		return value.Value
	case *ast.StringNode:
		switch strings.ToLower(value.Value) {
		case "y", "yes", "on":
			return true
		case "n", "no", "off":
			return false
		}
	}
	d.errorAt(startOf(resolved), "%s must be true or false, not %s", name, d.kindOf(resolved))
	return false
}

// kindOf names what a value is in the words of a message.
func (d *document) kindOf(node ast.Node) string {
	switch node := node.(type) {
	case nil:
		return "nothing"
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return d.spelt(node.GetToken().Value)
	case *ast.StringNode:
		return "the text " + d.quote(node.Value)
	}
	return "text"
}
