package spec

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxExpanded is how large a file may grow by its aliases, in bytes of text plus nodeCost for each value. A file without
// aliases stays far below.
const (
	maxExpanded = 4 << 20
	nodeCost    = 64
)

// decoder walks a syntax tree: it follows aliases, and reports what has the wrong type.
type decoder struct {
	document
	targets  map[*ast.AliasNode]*ast.AnchorNode
	expanded int
	bomb     bool // reported once that the aliases grow too large
}

func newDecoder(format format, source string) *decoder {
	return &decoder{document: document{format: format, source: source}, targets: make(map[*ast.AliasNode]*ast.AnchorNode)}
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
						d.quote(name), d.lineOf(earlier))
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
			d.errorAt(node.GetToken(), "the alias *%s has no anchor &%[1]s before it", d.spelt(node.Value.String()))
		}
	case *ast.TagNode:
		switch token.ReservedTagKeyword(node.Start.Value) {
		case token.StringTag, token.IntegerTag, token.FloatTag, token.BooleanTag, token.NullTag, token.MappingTag,
			token.SequenceTag, token.TimestampTag:
		default:
			d.errorAt(node.Start, "the tag %s is not allowed: only the tags of plain YAML such as !!str are",
				d.quote(node.Start.Value))
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
		fields := ""
		if len(section.fields) > 0 {
			fields = " with the fields " + strings.Join(section.names(), ", ")
		}
		d.errorAt(startOf(resolved), "%s must be a mapping%s, not %s", section.title, fields, d.kindOf(resolved))
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
			d.errorAt(startOf(node), "a merge key takes a mapping or a list of mappings, not %s", d.kindOf(resolved))
		}
	}
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
