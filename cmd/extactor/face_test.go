package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/cockroachdb/datadriven"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// TestFace runs command lines against a daemon with a fixed house at a fixed moment, and compares every byte that they
// write. Rewrite with: go test ./cmd/extactor -run TestFace -rewrite
func TestFace(t *testing.T) {
	t.Setenv("COLUMNS", "")
	t.Setenv("TERM", "vt100")
	datadriven.Walk(t, "testdata/face", func(t *testing.T, path string) {
		house := furnished()
		directory := t.TempDir()
		house.configDir = filepath.Join(directory, "config")
		socket := house.open(t)
		toAddress, toName := strings.NewReplacer(), strings.NewReplacer()

		datadriven.RunTest(t, path, func(t *testing.T, data *datadriven.TestData) string {
			t.Helper()

			switch data.Cmd {
			case "file":
				var name string

				data.ScanArgs(t, "name", &name)

				if err := os.MkdirAll(filepath.Dir(filepath.Join(directory, name)), 0o700); err != nil {
					t.Fatal(err)
				}

				if err := os.WriteFile(filepath.Join(directory, name), []byte(data.Input+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}

				return ""
			case "nodes":
				toAddress, toName = openNetwork(t, house, filepath.Join(directory, "talosconfig"), strings.Fields(data.Input))

				return ""
			case "trouble":
				house.makeTrouble()

				return ""
			case "screen":
				var width, height int

				data.ScanArgs(t, "width", &width)
				data.ScanArgs(t, "height", &height)

				return screen(t, socket, width, height, strings.Fields(data.Input))
			case "extactor":
				t.Setenv(socketVariable, socket)

				if data.HasArg("without-daemon") {
					t.Setenv(socketVariable, "/nowhere/extactor.sock")
				}

				words := strings.Fields(toAddress.Replace(strings.ReplaceAll(data.Input, "DIR", directory)))
				application, stdout, stderr := testApp()

				if name := new(string); data.MaybeScanArgs(t, "stdin", name) {
					content, err := os.ReadFile(filepath.Join(directory, *name))
					if err != nil {
						t.Fatal(err)
					}

					application.stdin = bytes.NewReader(content)
				}

				code := application.run(t.Context(), words)

				output := stdout.String()
				if stderr.Len() > 0 {
					output += "stderr:\n" + stderr.String()
				}

				for _, mask := range masks {
					output = mask.of.ReplaceAllString(output, mask.by)
				}

				output = toName.Replace(output)

				return strings.ReplaceAll(fmt.Sprintf("%sexit %d", output, code), directory, "DIR")
			default:
				t.Fatalf("unknown command %q", data.Cmd)

				return ""
			}
		})
	})
}

// masks stand for what is another one every time.
var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "FINGERPRINT"},
	{regexp.MustCompile(`extactor CA [0-9a-f]{8}`), "extactor CA nnnnnnnn"},
}

// screen is what a watch shows on a terminal of this size.
func screen(t *testing.T, socket string, width, height int, ids []string) string {
	t.Helper()

	application, _, _ := testApp()
	application.socket = socket

	response, err := application.status(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}

	shown := &watched{services: map[string]*apiv1.Service{}, single: len(ids) == 1}
	shown.update(response)

	lines := application.frame(shown, width, height)
	if height > 0 && len(lines) > height {
		t.Errorf("%d lines on a screen of %d", len(lines), height)
	}

	for _, line := range lines {
		if width > 0 && lipgloss.Width(line) > width {
			t.Errorf("%d columns on a screen of %d: %q", lipgloss.Width(line), width, line)
		}
	}

	return strings.Join(lines, "\n")
}
