package talosconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Merge puts a context into the text of a file and makes it the current one, as `talosctl config merge` does: where the
// name is taken, the new one is called NAME-1, NAME-2 and so on. With replace, what has the name goes instead. All other
// contexts stay as they are, with their comments wherever the file is laid out as people and Talos do. It returns the new
// text, and the name.
func Merge(content []byte, added Context, replace bool) (merged []byte, name string, err error) {
	before, err := Parse(content)
	if err != nil {
		return nil, "", err
	}

	names := before.Names()
	for number, wanted := 1, added.Name; !replace && slices.Contains(names, added.Name); number++ {
		added.Name = fmt.Sprintf("%s-%d", wanted, number)
	}

	expected := before.with(added)

	merged, err = insert(content, added, slices.Contains(names, added.Name))
	if err == nil && expected.sayIn(merged) {
		return merged, added.Name, nil
	}

	// The layout is an unusual one: it is laid out anew.
	if content, err = layOut(content); err != nil {
		return nil, "", err
	}

	merged, err = insert(content, added, slices.Contains(names, added.Name))
	if err == nil && !expected.sayIn(merged) {
		err = errors.New("it is laid out in a way that cannot be edited; let talosctl merge: talosctl config merge FILE")
	}

	return merged, added.Name, err
}

// with is what the file should say in the end.
func (c *Config) with(added Context) *Config {
	after := &Config{Current: added.Name, Contexts: slices.Clone(c.Contexts)}
	after.Contexts = slices.DeleteFunc(after.Contexts, func(context Context) bool {
		return context.Name == added.Name
	})
	after.Contexts = append(after.Contexts, added)
	slices.SortFunc(after.Contexts, func(a, b Context) int { return strings.Compare(a.Name, b.Name) })

	return after
}

func (c Context) equal(other Context) bool {
	return c.Name == other.Name && slices.Equal(c.Endpoints, other.Endpoints) && slices.Equal(c.Nodes, other.Nodes) &&
		bytes.Equal(c.CA, other.CA) && bytes.Equal(c.Certificate, other.Certificate) && bytes.Equal(c.Key, other.Key)
}

// sayIn tells whether a text says what is expected.
func (c *Config) sayIn(content []byte) bool {
	said, err := Parse(content)

	return err == nil && said.Current == c.Current && slices.EqualFunc(said.Contexts, c.Contexts, Context.equal)
}

// layOut writes a file anew, without comments.
func layOut(content []byte) ([]byte, error) {
	var all yaml.MapSlice
	if err := yaml.Unmarshal(content, &all); err != nil {
		return nil, wrong(err)
	}

	return yaml.Marshal(all)
}

// insert edits the lines of a file; what it cannot see through it leaves to whoever looks at the result.
func insert(content []byte, added Context, taken bool) ([]byte, error) {
	lines, root, err := open(content)
	if err != nil {
		return nil, err
	}

	if taken {
		if lines = remove(lines, root, added.Name); lines == nil {
			return nil, errors.New("the context cannot be found")
		}

		if lines, root, err = open([]byte(strings.Join(lines, ""))); err != nil {
			return nil, err
		}
	}

	current := "context: " + quoted(added.Name)

	line := find(root, "context")
	if line != nil {
		at := line.Key.GetToken().Position.Line - 1
		lines[at] = scalarValue.ReplaceAllLiteralString(lines[at], current)
	}

	at, indent := len(lines), "    " // of what is above the new context

	if contexts := find(root, "contexts"); contexts == nil {
		lines = append(lines, "contexts:\n")
	} else {
		at = contexts.Key.GetToken().Position.Line - 1
		if entries := entriesOf(contexts.Value); len(entries) > 0 {
			indent = strings.Repeat(" ", entries[0].Key.GetToken().Position.Column-1)
		} else {
			lines[at] = emptyValue.ReplaceAllString(lines[at], "$1$2")
		}
	}

	lines = slices.Insert(lines, at+1, block(added, indent)...)

	if line == nil {
		lines = slices.Insert(lines, at, current+"\n")
	}

	return []byte(strings.Join(lines, "")), nil
}

var (
	// scalarValue is a line of the current context, up to a comment.
	scalarValue = regexp.MustCompile(`^context:[ \t]*("[^"\n]*"|'[^'\n]*'|[^"'#\s][^#\s]*)?`)
	// emptyValue is a line of no contexts.
	emptyValue = regexp.MustCompile(`^(contexts:)(?:[ \t]*(?:\{[ \t]*\}|null|~))?([ \t]*(?:#.*)?\r?\n?)$`)
)

// open cuts a file into lines, each with its end, and returns its mapping; nil where there is none yet.
func open(content []byte) (lines []string, root *ast.MappingNode, err error) {
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		content = append(slices.Clone(content), '\n')
	}

	lines = slices.Collect(strings.Lines(string(content)))

	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		return nil, nil, wrong(err)
	}

	for _, document := range parsed.Docs {
		if mapping, ok := document.Body.(*ast.MappingNode); ok {
			return lines, mapping, nil
		}
	}

	return lines, nil, nil
}

// entriesOf returns the entries of a mapping that is laid out in lines.
func entriesOf(node ast.Node) []*ast.MappingValueNode {
	if mapping, ok := node.(*ast.MappingNode); ok && !mapping.IsFlowStyle {
		return mapping.Values
	}

	return nil
}

func find(mapping *ast.MappingNode, name string) *ast.MappingValueNode {
	if mapping == nil {
		return nil
	}

	for _, entry := range mapping.Values {
		if entry.Key.GetToken().Value == name {
			return entry
		}
	}

	return nil
}

// remove takes a context away: its lines, up to what is not indented more than its name.
func remove(lines []string, root *ast.MappingNode, name string) []string {
	contexts := find(root, "contexts")
	if contexts == nil {
		return nil
	}

	for _, entry := range entriesOf(contexts.Value) {
		position := entry.Key.GetToken().Position
		if entry.Key.GetToken().Value != name {
			continue
		}

		end := position.Line
		for end < len(lines) && belongs(lines[end], position.Column-1) {
			end++
		}

		return slices.Delete(slices.Clone(lines), position.Line-1, end)
	}

	return nil
}

// belongs tells whether a line is a part of what began at an indentation before it; lists may stand as far left.
func belongs(line string, indent int) bool {
	text := strings.TrimLeft(line, " ")

	return len(line)-len(text) > indent && strings.TrimSpace(text) != ""
}

// block is a context in lines.
func block(context Context, indent string) []string {
	lines := []string{indent + quoted(context.Name) + ":\n"}
	add := func(line string) { lines = append(lines, indent+"    "+line+"\n") }

	for _, list := range []struct {
		name   string
		values []string
	}{{"endpoints", context.Endpoints}, {"nodes", context.Nodes}} {
		if len(list.values) == 0 {
			continue
		}

		add(list.name + ":")

		for _, value := range list.values {
			add("    - " + quoted(value))
		}
	}

	add("ca: " + base64.StdEncoding.EncodeToString(context.CA))
	add("crt: " + base64.StdEncoding.EncodeToString(context.Certificate))
	add("key: " + base64.StdEncoding.EncodeToString(context.Key))

	return lines
}

// plainText is what YAML takes for a text without quotes: nothing that could be a number, a date or a word of its own.
var plainText = regexp.MustCompile(`^[a-zA-Z][-_a-zA-Z0-9]*(\.[-_a-zA-Z0-9]+)*$|^[0-9]{1,3}(\.[0-9]{1,3}){3}$`)

// ownWords are texts that YAML, or an older YAML, takes for something else.
var ownWords = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

func quoted(text string) string {
	if plainText.MatchString(text) && !slices.Contains(ownWords, strings.ToLower(text)) {
		return text
	}

	encoded, _ := json.Marshal(text) // a text can always be encoded, and every text of JSON is one of YAML

	return string(encoded)
}
