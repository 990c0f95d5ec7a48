package sim_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/actors/actorstest"
)

// playScripts has the tests of package service play the scripts of a directory.
func playScripts(t *testing.T, directory string) (output string, err error) {
	t.Helper()

	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run", "^TestScripts$", ".", "-scripts", directory)
	command.Dir = "../../service"
	text, err := command.CombinedOutput()

	return string(text), err
}

// What a seed prints of its services can be put among the golden scripts as it is.
func TestATraceIsAGoldenScript(t *testing.T) {
	directory, written := t.TempDir(), 0

	var longest string

	for seed := range uint64(20) {
		lived := run(t, seed+1, (*actorstest.World).Mute)

		for _, id := range lived.ids {
			script := lived.script(id)
			file := filepath.Join(directory, fmt.Sprintf("seed-%d-%s.txt", seed+1, id))
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}

			written++

			if len(script) > len(longest) {
				longest = script
			}
		}
	}

	output, err := playScripts(t, directory)
	if played := strings.Count(output, "--- PASS: TestScripts/seed-"); err != nil || played != written {
		t.Fatalf("%d scripts were written, %d passed, %v:\n%s", written, played, err, output)
	}

	// A script that says something else than what happens must not pass.
	wrong := t.TempDir()
	changed := strings.Replace(longest, "-> PrepareTask {Attempt:", "-> PrepareTask {Attempt:9", 1)

	if err := os.WriteFile(filepath.Join(wrong, "wrong.txt"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}

	if output, err := playScripts(t, wrong); err == nil || !strings.Contains(output, "PrepareTask") {
		t.Fatalf("a wrong script: %v:\n%s", err, output)
	}
}
