package oci

import (
	"strings"
)

// shortestSecret is the length in bytes below which a value is not hidden: it would be found everywhere.
const shortestSecret = 6

const redacted = "[redacted]"

// Redact replaces every occurrence of a secret of 6 bytes or more in the text. Occurrences that overlap or touch become
// one. A secret of several lines is also looked for line by line, because that is how a program prints its
// configuration. Redact before cutting a text: half a secret is not found.
func Redact(text string, secrets []string) string {
	hidden := make([]bool, len(text))
	for _, secret := range secrets {
		hide(hidden, text, secret)
		if strings.Contains(secret, "\n") {
			for line := range strings.Lines(secret) {
				hide(hidden, text, strings.TrimSpace(line))
			}
		}
	}
	var out strings.Builder
	for i := range hidden {
		switch {
		case !hidden[i]:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(redacted)
		}
	}
	return out.String()
}

// hide marks the bytes of every occurrence, also of those that overlap each other.
func hide(hidden []bool, text, secret string) {
	if len(secret) < shortestSecret {
		return
	}
	for start := 0; ; start++ {
		found := strings.Index(text[start:], secret)
		if found < 0 {
			return
		}
		start += found
		for i := range len(secret) {
			hidden[start+i] = true
		}
	}
}

// EnvironmentValues returns the values of NAME=value entries: what Redact must hide.
func EnvironmentValues(environment []string) []string {
	var values []string
	for _, entry := range environment {
		if _, value, ok := strings.Cut(entry, "="); ok {
			values = append(values, value)
		}
	}
	return values
}
