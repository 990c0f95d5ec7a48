package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What the documentation writes of a command, in a block of code and between backticks. What a shell would take for
// something else ends it.
var (
	codeLine = regexp.MustCompile(`(?:^|[$#] ?|sudo )(?:/usr/bin/|bin/)?extactor ((?:\\\||[^|<>;&#])*)`)
	codeSpan = regexp.MustCompile("`(?:sudo )?(?:bin/)?extactor ((?:\\\\\\||[^`|<>;&#])*)")
)

// commandsIn are the commands that a page names.
func commandsIn(page string) (commands []string) {
	inBlock := false

	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inBlock = !inBlock

			continue
		}

		of := codeSpan
		if inBlock {
			of = codeLine
		}

		for _, found := range of.FindAllStringSubmatch(strings.TrimSpace(line), -1) {
			commands = append(commands, strings.ReplaceAll(found[1], `\|`, "|"))
		}
	}

	return commands
}

// Every command that the documentation names is one, with the flags that it names.
func TestDocumentedCommands(t *testing.T) {
	const root = "../.."

	pages, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}

	examples, err := filepath.Glob(root + "/examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}

	checked := 0

	for _, page := range append(append(pages, examples...), root+"/README.md") {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}

		for _, command := range commandsIn(string(content)) {
			checked++

			words := strings.Fields(command)
			if problem := undocumented(words); problem != "" {
				t.Errorf("%s: extactor %s: %s", strings.TrimPrefix(page, root+"/"), strings.Join(words, " "), problem)
			}
		}
	}

	const least = 100 // fewer would mean that they are not found any more
	if checked < least {
		t.Errorf("only %d commands were found", checked)
	}
}

// The flags that stand beside a command in the table of the README are flags of it, or of a command below it.
func TestFlagsOfTheTable(t *testing.T) {
	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}

	row, flag := regexp.MustCompile("(?m)^\\| `extactor ([a-z]+)(.*)$"), regexp.MustCompile("`(--?[a-z][a-z-]*)")
	application, _, _ := testApp()
	root, listed := application.root(), map[string]bool{}

	for _, found := range row.FindAllStringSubmatch(string(content), -1) {
		command, _, err := root.Find(found[1:2])
		if err != nil {
			t.Error(err)

			continue
		}

		listed[command.Name()] = true

		for _, named := range flag.FindAllStringSubmatch(found[2], -1) {
			if !hasFlag(command, strings.TrimLeft(named[1], "-")) {
				t.Errorf("extactor %s has no flag %s", found[1], named[1])
			}
		}
	}

	for _, command := range root.Commands() {
		if !command.Hidden && command.Name() != "help" && !listed[command.Name()] {
			t.Errorf("extactor %s is not in the table", command.Name())
		}
	}
}

func hasFlag(command *cobra.Command, name string) bool {
	if command.Flags().Lookup(name) != nil || len(name) == 1 && command.Flags().ShorthandLookup(name) != nil {
		return true
	}

	return slices.ContainsFunc(command.Commands(), func(below *cobra.Command) bool { return hasFlag(below, name) })
}

// undocumented says what of a command line there is not.
func undocumented(words []string) string {
	application, _, _ := testApp()
	command := application.root()

	for _, word := range words {
		name, _, _ := strings.Cut(strings.Trim(word, "[],"), "=")

		switch {
		case word == "--":
			return ""
		case strings.HasPrefix(name, "--"):
			if command.Flags().Lookup(name[len("--"):]) == nil && name != "--help" {
				return "no flag " + name
			}
		case strings.HasPrefix(name, "-") && len(name) > 1 && name[1] >= 'a':
			if command.Flags().ShorthandLookup(name[1:2]) == nil {
				return "no flag " + name
			}
		case command.HasSubCommands() && regexp.MustCompile(`^[a-z]+$`).MatchString(name) && !isValue(command, words, word):
			below, _, err := command.Find([]string{name})
			if err != nil || below == command {
				return fmt.Sprintf("no command %q of %q", name, command.CommandPath())
			}

			command = below
		}
	}

	return ""
}

// isValue tells whether a word is the value of the flag before it.
func isValue(command *cobra.Command, words []string, word string) bool {
	for i := range words {
		if words[i] == word && i > 0 && strings.HasPrefix(words[i-1], "-") {
			flag := command.Flags().Lookup(strings.TrimLeft(words[i-1], "-"))

			return flag == nil || flag.Value.Type() != "bool"
		}
	}

	return false
}
