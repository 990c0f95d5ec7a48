package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestFace runs command lines against a daemon with a fixed house at a fixed moment, and compares every byte that they
// write. Rewrite with: go test ./cmd/extactor -run TestFace -rewrite
func TestFace(t *testing.T) {
	t.Setenv("COLUMNS", "")
	datadriven.Walk(t, "testdata/face", func(t *testing.T, path string) {
		house := furnished()
		socket := house.open(t)
		directory := t.TempDir()

		datadriven.RunTest(t, path, func(t *testing.T, data *datadriven.TestData) string {
			t.Helper()

			switch data.Cmd {
			case "file":
				var name string

				data.ScanArgs(t, "name", &name)

				if err := os.WriteFile(filepath.Join(directory, name), []byte(data.Input+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}

				return ""
			case "extactor":
				t.Setenv(socketVariable, socket)

				if data.HasArg("without-daemon") {
					t.Setenv(socketVariable, "/nowhere/extactor.sock")
				}

				words := strings.Fields(strings.ReplaceAll(data.Input, "DIR", directory))
				application, stdout, stderr := testApp()
				code := application.run(t.Context(), words)

				output := stdout.String()
				if stderr.Len() > 0 {
					output += "stderr:\n" + stderr.String()
				}

				return strings.ReplaceAll(fmt.Sprintf("%sexit %d", output, code), directory, "DIR")
			default:
				t.Fatalf("unknown command %q", data.Cmd)

				return ""
			}
		})
	})
}
