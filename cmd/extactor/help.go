package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
)

// widestHelp is how wide help is where the terminal is wider, or there is none.
const widestHelp = 100

// group is what commands are for, as --help shows them.
type group struct {
	id, title string
	commands  []*cobra.Command
}

// addGroups adds the commands, group by group, and lays out their help.
func (a *app) addGroups(root *cobra.Command, groups ...group) {
	for _, group := range groups {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})

		for _, command := range group.commands {
			command.GroupID = group.id
			root.AddCommand(command)
		}
	}

	root.SetHelpCommandGroupID(groups[len(groups)-1].id)
	root.CompletionOptions.DisableDefaultCmd = true // ours is a command like all others

	width := widestHelp
	if columns, _ := terminalSize(a.stdout); columns > 0 {
		width = min(columns, widestHelp)
	}

	wrapHelp(root, width)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", width)))
}

// wrapHelp breaks the lines of descriptions between words, never within one that has a hyphen. What is indented stays as it is.
func wrapHelp(command *cobra.Command, width int) {
	const hyphen, unbroken = "-", "\u2011"

	lines := strings.Split(command.Long, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, " ") {
			lines[i] = strings.ReplaceAll(ansi.Wordwrap(strings.ReplaceAll(line, hyphen, unbroken), width, ""), unbroken, hyphen)
		}
	}

	command.Long = strings.Join(lines, "\n")

	for _, below := range command.Commands() {
		wrapHelp(below, width)
	}
}

// likely is the command that a mistyped word is most likely meant for, or nothing. Words of systemctl and podman count too.
func likely(parent *cobra.Command, word string) string {
	if parent.Parent() == nil && slices.Contains(actions, word) {
		return "service ID " + word
	}

	parent.SuggestionsMinimumDistance = max(1, len(word)/3)
	if found := parent.SuggestionsFor(word); len(found) > 0 {
		return found[0]
	}

	return ""
}
