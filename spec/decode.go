package spec

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxExpanded is how large a file may grow by its aliases, in bytes of text plus nodeCost for each value. A file without
// aliases stays far below.
const (
	maxExpanded = 4 << 20
	nodeCost    = 16
)

// decoder reads values out of a syntax tree, following aliases, and reports what has the wrong type.
type decoder struct {
	document
	targets  map[*ast.AliasNode]*ast.AnchorNode
	expanded int
	bomb     bool // reported once that the aliases grow too large
}

// item is a text with the place where it stands.
type item struct {
	text string
	at   *token.Token
}

// field is one key of a mapping with its value.
type field struct {
	name  string
	key   *token.Token
	value ast.Node
}

// mapping is a mapping whose aliases and merge keys are resolved.
type mapping struct {
	section section
	at      *token.Token // where to report that something is missing
	fields  map[string]field
	unknown []field // in file order
}

// check walks the whole tree once, without expanding anything: it finds duplicate keys and the anchor of each alias.
func (d *decoder) check(node ast.Node, anchors map[string]*ast.AnchorNode) {
	switch node := node.(type) {
	case *ast.MappingNode:
		first := make(map[string]*token.Token, len(node.Values))
		for _, pair := range node.Values {
			d.check(pair.Key, anchors)
			if name, ok := keyText(pair.Key); ok {
				if earlier := first[name]; earlier != nil {
					d.errorAt(startOf(pair.Key), "the key %s is already given on line %d: each key is allowed once",
						quote(name), earlier.Position.Line)
				} else {
					first[name] = startOf(pair.Key)
				}
			}
			d.check(pair.Value, anchors)
		}
	case *ast.SequenceNode:
		for _, value := range node.Values {
			d.check(value, anchors)
		}
	case *ast.AnchorNode:
		anchors[node.Name.String()] = node
		d.check(node.Value, anchors)
	case *ast.AliasNode:
		if anchor := anchors[node.Value.String()]; anchor != nil {
			d.targets[node] = anchor
		} else {
			d.errorAt(node.GetToken(), "the alias *%s has no anchor &%[1]s before it", node.Value)
		}
	case *ast.TagNode:
		switch token.ReservedTagKeyword(node.Start.Value) {
		case token.StringTag, token.IntegerTag, token.FloatTag, token.BooleanTag, token.NullTag, token.MappingTag,
			token.SequenceTag, token.TimestampTag:
		default:
			d.errorAt(node.Start, "the tag %s is not allowed: only the tags of plain YAML such as !!str are",
				quote(node.Start.Value))
		}
		d.check(node.Value, anchors)
	case *ast.MappingKeyNode:
		d.check(node.Value, anchors)
	}
}

// resolve follows aliases, anchors and tags to the value itself; nil stands for no value.
func (d *decoder) resolve(node ast.Node) ast.Node {
	for {
		switch current := node.(type) {
		case *ast.AliasNode:
			anchor := d.targets[current]
			if anchor == nil || !d.spend(nodeCost, current.GetToken()) {
				return nil
			}
			node = anchor.Value
		case *ast.AnchorNode:
			node = current.Value
		case *ast.TagNode:
			node = current.Value
		case *ast.NullNode:
			return nil
		default:
			return node
		}
	}
}

// spend counts what has been read, so that aliases cannot multiply a small file into a huge one.
func (d *decoder) spend(cost int, at *token.Token) bool {
	d.expanded += cost
	if d.expanded <= maxExpanded {
		return true
	}
	if !d.bomb {
		d.bomb = true
		d.errorAt(at, "the aliases make this file larger than %d bytes, which is the most that is allowed", maxExpanded)
	}
	return false
}

// mapping reads a mapping with the fields of the section. It returns nil, with the problem reported, for any other
// value, and nil without a problem for no value.
func (d *decoder) mapping(section section, node ast.Node) *mapping {
	resolved := d.resolve(node)
	if resolved == nil {
		return nil
	}
	tree, ok := resolved.(*ast.MappingNode)
	if !ok {
		d.errorAt(startOf(resolved), "%s must be a mapping with the fields %s, not %s",
			section.title, strings.Join(section.fields, ", "), kindOf(resolved))
		return nil
	}
	m := &mapping{section: section, at: startOf(tree), fields: make(map[string]field)}
	d.collect(m, tree, make(map[string]bool), 0)
	return m
}

// collect adds the fields of a tree and then those of its merge keys, which give way to what is there already.
func (d *decoder) collect(m *mapping, tree *ast.MappingNode, seen map[string]bool, depth int) {
	var merged []ast.Node
	for _, pair := range tree.Values {
		if _, ok := pair.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, pair.Value)
			continue
		}
		name, ok := keyText(pair.Key)
		if !ok {
			d.errorAt(startOf(pair.Key), "a key must be plain text")
			continue
		}
		if seen[name] || !d.spend(nodeCost, startOf(pair.Key)) {
			continue
		}
		seen[name] = true
		found := field{name: name, key: startOf(pair.Key), value: pair.Value}
		if known := m.section.canonical(name); known != "" {
			m.fields[known] = found
		} else {
			m.unknown = append(m.unknown, found)
		}
	}
	for _, node := range merged {
		d.merge(m, node, seen, depth+1)
	}
}

// merge adds what stands behind a merge key: a mapping, or a list of mappings of which the first wins.
func (d *decoder) merge(m *mapping, node ast.Node, seen map[string]bool, depth int) {
	if depth > maxDepth {
		d.errorAt(node.GetToken(), "merge keys are nested more than %d levels deep, or merge themselves", maxDepth)
		return
	}
	switch resolved := d.resolve(node).(type) {
	case *ast.MappingNode:
		d.collect(m, resolved, seen, depth)
	case *ast.SequenceNode:
		for _, each := range resolved.Values {
			if d.bomb {
				return
			}
			d.merge(m, each, seen, depth+1)
		}
	default:
		if resolved != nil || d.absent(node) {
			d.errorAt(startOf(node), "a merge key takes a mapping or a list of mappings, not %s", kindOf(resolved))
		}
	}
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
			name, of, "- ", kindOf(resolved))
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
		} else if text, ok := d.scalar(name, value); ok {
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
		d.errorAt(startOf(resolved), "%s must be text, not %s", name, kindOf(resolved))
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
	d.errorAt(startOf(resolved), "%s must be true or false, not %s", name, kindOf(resolved))
	return false
}

// absent tells whether there is no value. An alias that leads nowhere is a mistake of its own.
func (d *decoder) absent(node ast.Node) bool {
	return !d.unresolved(node) && d.resolve(node) == nil
}

// unresolved tells whether a value is an alias that leads nowhere, which has been reported.
func (d *decoder) unresolved(node ast.Node) bool {
	alias, ok := node.(*ast.AliasNode)
	return ok && (d.bomb || d.targets[alias] == nil)
}

// keyText returns the text of a key; false for a key that is no text.
func keyText(key ast.Node) (string, bool) {
	switch key := key.(type) {
	case *ast.StringNode:
		return key.Value, true
	case *ast.LiteralNode:
		return key.Value.Value, true
	case *ast.MappingKeyNode:
		return keyText(key.Value)
	case *ast.AnchorNode:
		return keyText(key.Value)
	case *ast.TagNode:
		return keyText(key.Value)
	case *ast.AliasNode, *ast.MappingNode, *ast.SequenceNode, nil:
		return "", false
	}
	return key.GetToken().Value, true
}

// kindOf names what a value is in the words of a message.
func kindOf(node ast.Node) string {
	switch node := node.(type) {
	case nil:
		return "nothing"
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return node.GetToken().Value
	case *ast.StringNode:
		return "the text " + quote(node.Value)
	}
	return "text"
}

// canonical returns the name under which the section knows the field, "" when it does not.
func (s section) canonical(name string) string {
	if slices.Contains(s.fields, name) {
		return name
	}
	return s.also[name]
}
