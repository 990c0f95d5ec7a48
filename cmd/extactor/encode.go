package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// writeJSON writes one value: on one line without an indent, else laid out for people.
func writeJSON(out io.Writer, value any, indent string) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)

	return encoder.Encode(value)
}

// writeYAML writes one value as a YAML document. Every scalar of JSON is one of YAML too, so that only maps and lists
// are laid out here, and no text can be taken for a number or a date.
func writeYAML(out io.Writer, value any) error {
	var content bytes.Buffer
	if err := writeJSON(&content, value, ""); err != nil {
		return err
	}

	decoder := json.NewDecoder(&content)
	decoder.UseNumber()

	lines, _, err := yamlLines(decoder)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintf(out, "---\n%s\n", strings.Join(lines, "\n"))

	return err
}

// yamlLines lays out the decoder's next value. block says that it cannot stand behind its key.
func yamlLines(decoder *json.Decoder) (lines []string, block bool, err error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, false, err
	}

	delimiter, nested := token.(json.Delim)
	if !nested {
		var text strings.Builder
		err := writeJSON(&text, token, "")

		return []string{strings.TrimSpace(text.String())}, false, err
	}

	for decoder.More() {
		entry, err := yamlEntry(decoder, delimiter == '{')
		if err != nil {
			return nil, false, err
		}

		lines = append(lines, entry...)
	}

	closing, err := decoder.Token()
	if len(lines) == 0 {
		return []string{fmt.Sprintf("%v%v", delimiter, closing)}, false, err
	}

	return lines, true, err
}

// yamlEntry lays out one entry of a map or of a list.
func yamlEntry(decoder *json.Decoder, isMap bool) ([]string, error) {
	first := "- "

	if isMap {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}

		first = fmt.Sprintf("%s: ", key)
	}

	lines, block, err := yamlLines(decoder)
	if err != nil {
		return nil, err
	}

	if isMap && block {
		return append([]string{strings.TrimSpace(first)}, indented(lines)...), nil
	}

	return append([]string{first + lines[0]}, indented(lines[1:])...), nil
}

func indented(lines []string) []string {
	moved := make([]string, len(lines))
	for i, line := range lines {
		moved[i] = "  " + line
	}

	return moved
}
