package spec

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// chunk is one YAML document of a file, with the comments around it, byte for byte. The chunks of a file follow each
// other without a gap.
type chunk struct {
	text  []byte
	first int  // lines of the file before it
	ended bool // its last line is "...", which ends a document
}

// split cuts a file where a document begins, as YAML has it: at every line "---", wherever that stands, and behind every
// line "...". Directives ("%YAML 1.2") belong to the document that they precede.
func split(content []byte) []chunk {
	var chunks []chunk
	start, first := 0, 0 // of the chunk at hand
	lines := 0           // up to the line at hand
	cut := func(at, line int, ended bool) {
		if at > start {
			chunks = append(chunks, chunk{text: content[start:at], first: first, ended: ended})
		}
		start, first = at, line
	}
	const (
		bare       = iota // comments and empty lines
		directives        // and a directive
		body
	)
	state := bare
	for at := 0; at < len(content); lines++ {
		next := at + lineLength(content[at:])
		line := bytes.TrimRight(bytes.TrimPrefix(content[at:next], []byte("\ufeff")), "\r\n")
		switch {
		case isMarker(line, "---"):
			if state != directives {
				cut(at, lines, false)
			}
			state = body
		case isMarker(line, "..."):
			cut(next, lines+1, true)
			state = bare
		case state != body && bytes.HasPrefix(line, []byte("%")):
			state = directives
		case len(bytes.TrimLeft(line, " \t")) > 0 && !bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")):
			state = body
		}
		at = next
	}
	cut(len(content), lines, false)
	return chunks
}

// lineLength returns the length of the first line with its line break: LF, CR or both.
func lineLength(text []byte) int {
	end := bytes.IndexAny(text, "\r\n")
	switch {
	case end < 0:
		return len(text)
	case bytes.HasPrefix(text[end:], []byte("\r\n")):
		return end + 2
	}
	return end + 1
}

func isMarker(line []byte, marker string) bool {
	rest, found := bytes.CutPrefix(line, []byte(marker))
	return found && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// names tells whether the chunk is the ExtensionServiceConfig of that name, right or wrong in its other fields.
func (c chunk) names(name string) bool {
	d := newDecoder(configFormat, "")
	m := d.configMapping(c.text)
	return m != nil && d.text(m, "name").text == name
}

// ReplaceConfig returns the content of a file of YAML documents with the document in the place of the
// ExtensionServiceConfig of that name, at the end where there is none. All other documents stay byte for byte. The
// document is one that ParseConfigs accepts, without YAML directives.
func ReplaceConfig(content []byte, name string, document []byte) []byte {
	var result bytes.Buffer
	replaced := false
	for _, chunk := range split(content) {
		if !chunk.names(name) {
			result.Write(chunk.text)
			continue
		}
		if !replaced {
			appendDocument(&result, document)
			replaced = true
		}
		chunk.writeEnd(&result)
	}
	if !replaced {
		appendDocument(&result, document)
	}
	return result.Bytes()
}

// RemoveConfig returns the content of a file of YAML documents without the ExtensionServiceConfig of that name, and
// whether there was one. All other documents stay byte for byte.
func RemoveConfig(content []byte, name string) (rest []byte, found bool) {
	var result bytes.Buffer
	for _, chunk := range split(content) {
		if !chunk.names(name) {
			result.Write(chunk.text)
			continue
		}
		found = true
		chunk.writeEnd(&result)
	}
	return result.Bytes(), found
}

// writeEnd keeps the end of a document that goes: the directives of the next one need it.
func (c chunk) writeEnd(result *bytes.Buffer) {
	if c.ended {
		result.WriteString("...\n")
	}
}

// appendDocument adds a document behind others.
func appendDocument(result *bytes.Buffer, document []byte) {
	if result.Len() > 0 {
		if last := result.Bytes()[result.Len()-1]; last != '\n' && last != '\r' {
			result.WriteByte('\n')
		}
		if !isMarker(bytes.TrimRight(document[:lineLength(document)], "\r\n"), "---") {
			result.WriteString("---\n")
		}
	}
	result.Write(document)
	if !bytes.HasSuffix(document, []byte("\n")) {
		result.WriteByte('\n')
	}
}

// EncodeConfig writes the document in its canonical form, which ParseConfigs reads back as it was.
func EncodeConfig(config *Config) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nname: %s\n", ConfigAPIVersion, ConfigKind, scalarText(config.Name))
	if len(config.Files) > 0 {
		b.WriteString("configFiles:\n")
	}
	for _, file := range config.Files {
		fmt.Fprintf(&b, "  - content: %s\n    mountPath: %s\n", blockText(file.Content, "      "), scalarText(file.MountPath))
	}
	if len(config.Environment) > 0 {
		b.WriteString("environment:\n")
	}
	for _, variable := range config.Environment {
		fmt.Fprintf(&b, "  - %s\n", scalarText(variable))
	}
	return b.Bytes()
}

// unquoted are texts that mean themselves in any YAML; plainWords look so and do not.
var (
	unquoted   = regexp.MustCompile(`^[A-Za-z_/][-A-Za-z0-9_./@%+=]*$`)
	plainWords = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
)

func scalarText(text string) string {
	if unquoted.MatchString(text) && !slices.Contains(plainWords, strings.ToLower(text)) {
		return text
	}
	return quotedText(text)
}

// quotedText writes a text on one line between double quotation marks.
func quotedText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r == '<': // many "<" in a row are not read
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// blockText writes a text of several lines as a literal block, as people do, where that keeps it as it is.
func blockText(text, indent string) string {
	body, ends := strings.CutSuffix(text, "\n")
	lines := strings.Split(body, "\n")
	if !strings.Contains(text, "\n") || !literal(lines) {
		return scalarText(text)
	}
	header := "|"
	if !ends {
		header = "|-"
	}
	for i, line := range lines {
		if line != "" {
			lines[i] = indent + line
		}
	}
	return header + "\n" + strings.Join(lines, "\n")
}

// literal tells whether the lines mean themselves in a literal block.
func literal(lines []string) bool {
	if first := lines[0]; first == "" || strings.HasPrefix(first, " ") || strings.HasPrefix(first, "\t") || lines[len(lines)-1] == "" {
		return false
	}
	blank := 0
	for _, line := range lines {
		if blank++; line != "" {
			blank = 0
		}
		unseen := strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) })
		if strings.TrimRight(line, " \t") != line || unseen || blank > maxBlankLines/2 ||
			strings.Contains(line, strings.Repeat("<", maxAngles/2)) {
			return false
		}
	}
	return true
}
