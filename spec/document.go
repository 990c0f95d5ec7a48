package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// Bounds of what is parsed. The YAML library takes time quadratic in some of them, and none comes near in a file that a
// person wrote: the largest published service file has 60 lines.
const (
	maxTokens     = 20_000
	maxDepth      = 64
	maxBlankLines = 100 // in a row
	maxAngles     = 100 // "<" in a row
)

// format is what a kind of file demands of the YAML around its content.
type format struct {
	empty  string // what an empty file lacks; "" where it may be empty
	single string // why a second document is refused
	secret bool   // problems must not show what stands in the file
	only   bool   // a document of another kind is an error

	places []section // where a field may belong that stands in the wrong place
}

var serviceFormat = format{
	empty:  "a service needs at least name, container.entrypoint and restart",
	single: "a file describes exactly one service",
	places: []section{containerSection, securitySection, extactorSection, healthSection, fileSection},
}

// document is the text of one YAML document on its way to a syntax tree.
type document struct {
	format
	source   string
	first    int // lines of the file before this document
	lines    []string
	problems Problems
}

// parseDocument returns the one YAML document of the content, nil when it cannot be read; the problems say why.
func (d *document) parseDocument(content []byte) ast.Node {
	text, ok := d.readText(content)
	if !ok {
		return nil
	}
	tokens, err := tokenize(text)
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	if len(tokens) > maxTokens {
		d.errorAt(tokens[maxTokens], "the file has more than %d YAML tokens: too many for one document", maxTokens)
		return nil
	}
	if deep := tooDeep(tokens); deep != nil {
		d.errorAt(deep, "nested too deeply: at most %d levels are allowed", maxDepth)
		return nil
	}
	if line := d.tabbedBlock(tokens); line > 0 {
		d.add(line, 1, Error, "this text begins with a tab, which extactor reads wrongly in a block: "+
			"put it between double quotation marks, with \\t for the tab")
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		d.syntaxError(err)
		return nil
	}
	return d.onlyDocument(file)
}

// readText checks what must hold before the lexer may see the text, and unifies its line breaks: the lexer counts some
// of them twice otherwise.
func (d *document) readText(content []byte) (text string, ok bool) {
	if len(content) > MaxFileSize {
		d.errorIn("the file is larger than %d bytes, which is the most that is allowed", MaxFileSize)
		return "", false
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(content))
	d.lines = strings.Split(text, "\n")
	if strings.TrimSpace(text) == "" {
		d.nothing()
		return "", false
	}
	blank := 0
	for i, line := range d.lines {
		if column, wrong := forbidden(line); wrong != "" {
			d.add(i+1, column, Error, wrong)
			return "", false
		}
		if blank++; strings.TrimSpace(line) != "" {
			blank = 0
		}
		if blank > maxBlankLines {
			d.add(i+1, 1, Error, fmt.Sprintf("more than %d empty lines in a row", maxBlankLines))
			return "", false
		}
	}
	return text, true
}

// nothing reports that the file is empty, where it must not be.
func (d *document) nothing() {
	if d.empty != "" {
		d.errorIn("the file is empty: %s", d.empty)
	}
}

// forbidden finds what YAML does not allow anywhere, and what this parser does not endure.
func forbidden(line string) (column int, wrong string) {
	angles := 0
	for offset, r := range line {
		column++
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(line[offset:]); size == 1 {
				return column, fmt.Sprintf("byte 0x%02x is not UTF-8: save the file as UTF-8", line[offset])
			}
		}
		if r < ' ' && r != '\t' || r == 0x7f {
			return column, fmt.Sprintf("control character U+%04X: YAML allows none but tab and line break", r)
		}
		if angles++; r != '<' {
			angles = 0
		}
		if angles > maxAngles {
			return column, fmt.Sprintf("more than %d %q in a row", maxAngles, "<")
		}
	}
	return 0, ""
}

// tokenize stops at the first token that is not valid, where the library's own function goes on and, behind a quotation
// mark without its partner, reads the rest of the file again for each further token.
func tokenize(text string) (tokens token.Tokens, err error) {
	var source scanner.Scanner
	source.Init(text)
	for {
		found, err := source.Scan()
		tokens.Add(found...)
		if invalid := tokens.InvalidToken(); invalid != nil {
			return nil, &yaml.SyntaxError{Message: invalid.Error, Token: invalid}
		}
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// tooDeep returns the token at which the nesting exceeds maxDepth, or nil. It runs before the parser, whose memory grows
// with the square of the depth.
func tooDeep(tokens token.Tokens) *token.Token {
	flow := 0
	var columns []int // of the open block collections
	for _, current := range tokens {
		start := current
		switch current.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingValueType, token.SequenceEntryType, token.MappingKeyType:
			if current.Type == token.MappingValueType && current.Prev != nil {
				start = current.Prev // the key
			}
			for len(columns) > 0 && columns[len(columns)-1] >= start.Position.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, start.Position.Column)
		}
		if flow+len(columns) > maxDepth {
			return start
		}
	}
	return nil
}

// tabbedBlock returns the first line of a block of text ("|" or ">") that begins with a tab; 0 where there is none. The
// library takes the tab for indentation, and then loses parts of the lines that follow without saying so.
func (d *document) tabbedBlock(tokens token.Tokens) int {
	for _, header := range tokens {
		if header.Type != token.LiteralType && header.Type != token.FoldedType {
			continue
		}
		line := min(header.Position.Line, len(d.lines))
		for line < len(d.lines) && strings.TrimSpace(d.lines[line]) == "" {
			line++
		}
		if line < len(d.lines) && strings.HasPrefix(strings.TrimLeft(d.lines[line], " "), "\t") {
			return line + 1
		}
	}
	return 0
}

// parseTokens keeps a panic of the library from reaching the caller: a service file must never stop the daemon.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the parser gave up: %v", cause)
		}
	}()
	// Duplicate keys are found in check, which reports all of them.
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func (d *document) syntaxError(err error) {
	if located, ok := errors.AsType[yaml.Error](err); ok && located.GetToken() != nil {
		d.errorAt(located.GetToken(), "this is not valid YAML: %s", d.likelyCause(located))
		return
	}
	d.add(1, 1, Error, "this is not valid YAML: "+d.spoken(err.Error())) // not of the file as a whole: it may quote a value
}

// likelyCause says what the library means, where what it says of a common mistake would not help who made it.
func (d *document) likelyCause(located yaml.Error) string {
	message, line := located.GetMessage(), ""
	if at := located.GetToken().Position.Line; at > 0 && at <= len(d.lines) {
		line = d.lines[at-1]
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	switch {
	case strings.Contains(indent, "\t"):
		return "the line is indented with a tab: YAML wants spaces"
	case message == "value is not allowed in this context":
		return "the line is indented like none of those that it could belong to"
	case message == "mapping value is not allowed in this context" && strings.Count(line, ": ") > 1:
		return "a text with \": \" in it lacks quotation marks"
	case message == "mapping value is not allowed in this context":
		return "the line below is indented too far"
	case message == "unexpected key name":
		return "a key is written \"key: value\", with a space after the colon"
	default:
		return d.spoken(message)
	}
}

// spoken returns what the library says, without what it quotes of a file that is secret.
func (d *document) spoken(message string) string {
	if before, _, quotes := strings.Cut(message, "\""); d.secret && quotes {
		return before + hidden
	}
	return message
}

// onlyDocument returns the body of the one document; empty ones, as after a last "---", do not count.
func (d *document) onlyDocument(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.NullNode, *ast.DirectiveNode, *ast.CommentGroupNode:
			continue
		}
		if body != nil {
			d.errorAt(startOf(doc.Body), "a second YAML document: %s", d.single)
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		d.nothing()
	}
	return body
}

// errorIn reports a problem of the file as a whole.
func (d *document) errorIn(format string, args ...any) {
	d.add(0, 0, Error, fmt.Sprintf(format, args...))
}

func (d *document) errorAt(at *token.Token, format string, args ...any) {
	d.add(at.Position.Line, at.Position.Column, Error, fmt.Sprintf(format, args...))
}

func (d *document) warnAt(at *token.Token, format string, args ...any) {
	d.add(at.Position.Line, at.Position.Column, Warning, fmt.Sprintf(format, args...))
}

func (d *document) add(line, column int, severity Severity, message string) {
	problem := Problem{File: d.source, Line: line, Column: column, Severity: severity, Message: printable(message)}
	if line > 0 {
		problem.Line += d.first
	}
	if line > 0 && line <= len(d.lines) && !d.secret {
		problem.SourceLine = d.lines[line-1]
	}
	d.problems = append(d.problems, problem)
}

// lineOf returns the line of the file on which a token stands.
func (d *document) lineOf(at *token.Token) int { return d.first + at.Position.Line }

// hidden stands for what a message must not show.
const hidden = "[hidden]"

// quote shows what a file says, shortened, where it is not secret.
func (d *document) quote(text string) string {
	if d.secret {
		return hidden
	}
	return quote(text)
}

// spelt does the same for what needs no quotation marks.
func (d *document) spelt(text string) string {
	if d.secret {
		return hidden
	}
	return text
}

// startOf returns the first token of a node. For a mapping the library names the colon; people look for the key.
func startOf(node ast.Node) *token.Token {
	switch node := node.(type) {
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return startOf(node.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return startOf(node.Key)
	}
	return node.GetToken()
}
