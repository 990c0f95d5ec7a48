//go:build man

package main

import (
	"fmt"
	"os"

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
	root := newApp().root()
	root.DisableAutoGenTag = true

	header := &doc.GenManHeader{Section: "1", Source: "extactor", Manual: "extactor"}
	if err := doc.GenManTree(root, header, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "cannot write the manual pages: %v\n", err)
		os.Exit(exitFailed)
	}

	os.Exit(exitDone)
}
