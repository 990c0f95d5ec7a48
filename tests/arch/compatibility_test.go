package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// compatibilityPage says what extactor does of what Talos does, and which tests show it.
const compatibilityPage = "docs/compatibility.md"

// referenceWords are the fields and values of the text that we are compatible with: each is a part of some row.
var referenceWords = []string{
	"name", "container", "depends", "restart", "logToConsole", "entrypoint", "environmentFile", "environment", "args", "mounts",
	"maskedPaths", "readonlyPaths", "writeableRootfs", "writeableSysfs", "rootfsPropagation", "source", "destination", "type",
	"options", "service", "path", "network", "addresses", "connectivity", "hostname", "etcfiles", "time", "configuration",
	"ExtensionServiceConfig", "always", "never", "untilSuccess",
}

// Every row of every table of the compatibility page names tests that exist.
func TestCompatibilityPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, compatibilityPage))
	if err != nil {
		t.Fatal(err)
	}
	rows := tableRows(string(page))
	report(t, checkRows(rows, func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join(root, path.Dir(compatibilityPage), file))
	}))
	for _, word := range referenceWords {
		asCode := regexp.MustCompile("`[^`]*\\b" + word + "\\b[^`]*`")
		if !slices.ContainsFunc(rows, func(row tableRow) bool { return asCode.MatchString(strings.Join(row.cells, " ")) }) {
			t.Errorf("no row of %s is about %s", compatibilityPage, word)
		}
	}
}

// The rule itself finds each kind of mistake.
func TestCheckRows(t *testing.T) {
	read := func(file string) ([]byte, error) {
		if file == "../x/testdata/y.txt" {
			return nil, nil
		}
		if file != "x_test.go" {
			return nil, os.ErrNotExist
		}
		return []byte("package x\n// func TestComment(\nfunc TestX(t *testing.T) { t.Run(\"a case\", nil) }\n" +
			"func TestOther() { _ = \"of another\"; go rows() }\nvar table = map[string]int{\"a | row\": 1}\n"), nil
	}
	const heading = "| fact | ours | shown by |\n|---|---|---|\n"
	for cell, want := range map[string]string{
		"[TestX](x_test.go)":                            "",
		"[TestX/a case](x_test.go), [TestX](x_test.go)": "",
		"[TestX/a \\| row](x_test.go)":                  "",
		"":                                              "line 3: no test shows it: a fact",
		"TestX":                                         "line 3: no test shows it: a fact",
		"[TestY](x_test.go)":                            "line 3: x_test.go has no TestY",
		"[TestComment](x_test.go)":                      "line 3: x_test.go has no TestComment",
		"[TestX/no case](x_test.go)":                    "line 3: TestX of x_test.go has no case \"no case\"",
		"[TestX/of another](x_test.go)":                 "line 3: TestX of x_test.go has no case \"of another\"",
		"[TestX](y_test.go)":                            "line 3: cannot read y_test.go: file does not exist",
		"[TestX](x_test.go), [Page](x.md)":              "line 3: Page in x.md is no test",
		"[TestX](x_test.go) | another cell":             "line 3: no test shows it: a fact",
	} {
		got := strings.Join(checkRows(tableRows(heading+"| a fact | `a \\| b` | "+cell+" |\n\nafter"), read), "\n")
		if got != want {
			t.Errorf("%s:\n%s\nnot:\n%s", cell, got, want)
		}
	}
}

// tableRow is a line of a table.
type tableRow struct {
	line  int
	cells []string
}

// tableRows returns the rows of all tables of a Markdown page, without the headings.
func tableRows(page string) []tableRow {
	var rows []tableRow
	for index, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "|---"):
			rows = rows[:len(rows)-1] // what stands above is the heading
		case strings.HasPrefix(line, "|"):
			const border = "\x00"
			text := strings.ReplaceAll(strings.Trim(line, "|"), `\|`, border)
			var cells []string
			for cell := range strings.SplitSeq(text, "|") {
				cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), border, "|"))
			}
			rows = append(rows, tableRow{index + 1, cells})
		}
	}
	return rows
}

var testLink = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)

// checkRows demands that the last cell of each row links tests that exist, as [Test](file) or [Test/case](file). A file
// below testdata may stand beside a test that reads it.
func checkRows(rows []tableRow, read func(file string) ([]byte, error)) []string {
	var violations []string
	for _, row := range rows {
		links := testLink.FindAllStringSubmatch(row.cells[len(row.cells)-1], -1)
		if !slices.ContainsFunc(links, func(link []string) bool { return strings.HasPrefix(link[1], "Test") }) {
			violations = append(violations, fmt.Sprintf("line %d: no test shows it: %s", row.line, row.cells[0]))
		}
		for _, link := range links {
			if err := checkLink(link[1], link[2], read); err != nil {
				violations = append(violations, fmt.Sprintf("line %d: %v", row.line, err))
			}
		}
	}
	return violations
}

func checkLink(text, file string, read func(file string) ([]byte, error)) error {
	if strings.Contains(file, "/testdata/") { // what the test beside it reads
		if _, err := read(file); err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
		if text != path.Base(file) {
			return fmt.Errorf("%s is not called %s", file, text)
		}
		return nil
	}
	name, wanted, hasCase := strings.Cut(text, "/")
	if !strings.HasPrefix(name, "Test") || !strings.HasSuffix(file, "_test.go") {
		return fmt.Errorf("%s in %s is no test", text, file)
	}
	source, err := read(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
	if err != nil {
		return fmt.Errorf("cannot parse %s: %w", file, err)
	}
	var test ast.Node
	found := false
	for _, declaration := range parsed.Decls {
		function, isFunction := declaration.(*ast.FuncDecl)
		switch {
		case isFunction && function.Name.Name == name:
			test = function
			found = found || mentions(function, wanted)
		case !isFunction: // a table of cases may stand beside its test
			found = found || mentions(declaration, wanted)
		}
	}
	if test == nil {
		return fmt.Errorf("%s has no %s", file, name)
	}
	if hasCase && !found {
		return fmt.Errorf("%s of %s has no case %q", name, file, wanted)
	}
	return nil
}

// mentions reports whether a text literal below the node is exactly the wanted text.
func mentions(node ast.Node, wanted string) bool {
	found := false
	ast.Inspect(node, func(inner ast.Node) bool {
		if literal, ok := inner.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			found = found || err == nil && text == wanted
		}
		return !found
	})
	return found
}
