package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Flags and commands in a text are copied from it: they stand in one piece.
func TestHelpBreaksNoWord(t *testing.T) {
	application, _, _ := testApp()

	var check func(command *cobra.Command)

	check = func(command *cobra.Command) {
		for line := range strings.Lines(command.Long) {
			if strings.HasSuffix(strings.TrimSuffix(line, "\n"), "-") {
				t.Errorf("%s --help ends a line within a word: %q", command.CommandPath(), line)
			}
		}

		for _, below := range command.Commands() {
			check(below)
		}
	}

	check(application.root())
}
