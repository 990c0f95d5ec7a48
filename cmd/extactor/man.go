//go:build man

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Built with the tag "man", the program does nothing but write its manual pages into a directory: what renders them stays
// out of the program that is shipped.
func init() {
	const words = 2
	if len(os.Args) != words {
		fmt.Fprintln(os.Stderr, "usage: go run -tags man ./cmd/extactor DIR")
		os.Exit(exitUsage)
	}

	// The date of the pages is SOURCE_DATE_EPOCH.
	os.Unsetenv(socketVariable) // they show defaults, not what is set where they are made
	os.Unsetenv(talosconfigVariable)

	root := newApp().root()
	root.DisableAutoGenTag = true
	asMarkdown(root)

	header := &doc.GenManHeader{Section: "1", Source: "extactor", Manual: "extactor"}
	if err := doc.GenManTree(root, header, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "cannot write the manual pages: %v\n", err)
		os.Exit(exitFailed)
	}

	os.Exit(exitDone)
}

// asMarkdown has descriptions come out of a renderer of Markdown as they were written: what is indented in them is kept line
// by line.
func asMarkdown(command *cobra.Command) {
	escape := strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`)

	lines := strings.Split(command.Long, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		} else {
			lines[i] = escape.Replace(line)
		}
	}

	command.Long = strings.Join(lines, "\n")

	for _, below := range command.Commands() {
		asMarkdown(below)
	}
}
