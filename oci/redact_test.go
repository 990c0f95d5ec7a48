package oci

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRedact(t *testing.T) {
	for _, row := range []struct {
		name, text string
		secrets    []string
		want       string
	}{
		{"no secrets", "plain", nil, "plain"},
		{"one", "key=hunter2!", []string{"hunter2"}, "key=[redacted]!"},
		{"five bytes are too few", "key=12345", []string{"12345"}, "key=12345"},
		{"six bytes", "key=123456", []string{"123456"}, "key=[redacted]"},
		{"one within the other, short first", "abcdefghij", []string{"cdefgh", "abcdefghij"}, "[redacted]"},
		{"two that overlap", "..abcdefghij..", []string{"abcdefgh", "efghij"}, "..[redacted].."},
		{"one that overlaps itself", ".abababab.", []string{"ababab"}, ".[redacted]."},
		{"apart", "secret1 secret2", []string{"secret1", "secret2"}, "[redacted] [redacted]"},
		{"several lines, printed one by one", "read: user = somebody\nok", []string{"[top]\n  user = somebody\n"},
			"read: [redacted]\nok"},
		{"not ASCII", "x пароль y", []string{"пароль"}, "x [redacted] y"},
		{"not UTF-8", "x\xff\xfe\xfd\xfc\xfb\xfay", []string{"\xff\xfe\xfd\xfc\xfb\xfa"}, "x[redacted]y"},
		{"the mark itself is no way around", "[redacted]", []string{"redacted"}, "[[redacted]]"},
		{"empty secret", "text", []string{""}, "text"},
	} {
		if got := Redact(row.text, row.secrets); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestRedactHidesEveryOccurrence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		short := rapid.StringMatching(`[ab]{6,9}`)
		secrets := rapid.SliceOfN(short, 1, 4).Draw(t, "secrets")
		pieces := rapid.SliceOf(rapid.OneOf(rapid.SampledFrom(secrets), rapid.StringMatching(`[abc ]{0,4}`))).Draw(t, "text")
		text := strings.Join(pieces, "")
		got := Redact(text, secrets)
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Fatalf("%q is still in %q, made of %q", secret, got, text)
			}
		}
		for _, kept := range strings.Split(got, redacted) {
			if !strings.Contains(text, kept) {
				t.Fatalf("%q was not in %q", kept, text)
			}
		}
	})
}

func TestEnvironmentValues(t *testing.T) {
	equal(t, "values", EnvironmentValues([]string{"A=1", "B=x=y", "C=", "D"}), []string{"1", "x=y", ""})
}
