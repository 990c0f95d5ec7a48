package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MaxFunction is how many lines a function may have, from "func" to its closing brace.
const MaxFunction = 80

// clock are the functions of package time that ask or wait for the clock.
var clock = []string{
	"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep",
}

// File is one parsed source file.
type File struct {
	Path   string // within the module
	Syntax *ast.File
	set    *token.FileSet
}

// ParseFile parses one source text.
func ParseFile(path string, source []byte) (File, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	return File{Path: path, Syntax: syntax, set: set}, err
}

// LoadFiles parses every Go file below a directory, whatever its build constraints.
func LoadFiles(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (name == "testdata" || name == "vendor" || name == "bin" || name[0] == '.' || name[0] == '_') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		within, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		file, err := ParseFile(within, source)
		files = append(files, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot parse the sources: %w", err)
	}
	return files, nil
}

// isTest tells whether the file is compiled for tests only.
func (f File) isTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// isGenerated tells whether a program wrote the file.
func (f File) isGenerated() bool {
	return strings.HasSuffix(f.Path, ".pb.go") || ast.IsGenerated(f.Syntax)
}

// where names a position in the file.
func (f File) where(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.Path, f.set.Position(pos).Line)
}

// CheckClock finds uses of the clock in packages that get time as a value.
func CheckClock(files []File) []string {
	var violations []string
	for _, file := range files {
		pure := []string{"service", "events", "spec", "condition", "history", "picture"}
		if file.isTest() || file.isGenerated() || !slices.Contains(pure, filepath.Dir(file.Path)) {
			continue
		}
		for _, use := range file.uses("time", clock) {
			violations = append(violations, use+": this package must not ask the clock; take the time as a value")
		}
	}
	return violations
}

// CheckSleep finds tests that wait for time to pass.
func CheckSleep(files []File) []string {
	var violations []string
	for _, file := range files {
		if !file.isTest() {
			continue
		}
		for _, use := range file.uses("time", []string{"Sleep"}) {
			violations = append(violations, use+": a test must not sleep; wait for the event")
		}
	}
	return violations
}

// uses finds references to names of an imported package, under whatever name it is imported.
func (f File) uses(imported string, names []string) []string {
	var local, found []string
	for _, spec := range f.Syntax.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err != nil || path != imported {
			continue
		}
		switch {
		case spec.Name == nil:
			local = append(local, imported[strings.LastIndex(imported, "/")+1:])
		case spec.Name.Name == ".":
			found = append(found, fmt.Sprintf("%s: import . %q", f.where(spec.Pos()), imported))
		default:
			local = append(local, spec.Name.Name)
		}
	}
	ast.Inspect(f.Syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		qualifier, ok := selector.X.(*ast.Ident)
		if ok && slices.Contains(local, qualifier.Name) && slices.Contains(names, selector.Sel.Name) {
			found = append(found, fmt.Sprintf("%s: %s.%s", f.where(selector.Pos()), imported, selector.Sel.Name))
		}
		return true
	})
	return found
}

// CheckDocs finds packages that do not have exactly one file with a package comment. Where a package has other files
// than tests, the comment stands in one of those.
func CheckDocs(files []File) []string {
	type facts struct {
		documented []string
		sources    bool
	}
	packages := make(map[string]*facts)
	for _, sourcesOnly := range []bool{true, false} {
		for _, file := range files {
			dir := filepath.Dir(file.Path)
			if packages[dir] == nil {
				packages[dir] = new(facts)
			}
			if file.isTest() == sourcesOnly || file.isTest() && packages[dir].sources {
				continue
			}
			packages[dir].sources = packages[dir].sources || !file.isTest()
			if strings.TrimSpace(file.Syntax.Doc.Text()) != "" {
				packages[dir].documented = append(packages[dir].documented, filepath.Base(file.Path))
			}
		}
	}
	var violations []string
	for dir, found := range packages {
		if len(found.documented) != 1 {
			violations = append(violations, fmt.Sprintf("%s: %d files have a package comment %v; exactly one must",
				dir, len(found.documented), found.documented))
		}
	}
	slices.Sort(violations)
	return violations
}

// CheckLength finds functions longer than MaxFunction. Those in known may be longer, but only as long as it says: who
// shortens one lowers the number, so that it never grows again.
func CheckLength(files []File, known map[string]int) []string {
	var violations []string
	seen := make(map[string]int)
	for _, file := range files {
		if file.isTest() || file.isGenerated() {
			continue
		}
		for _, declaration := range file.Syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := file.Path + ":" + functionName(function)
			lines := file.set.Position(function.End()).Line - file.set.Position(function.Pos()).Line + 1
			seen[name] = max(seen[name], lines)
			if limit := max(MaxFunction, known[name]); lines > limit {
				violations = append(violations, fmt.Sprintf("%s has %d lines; at most %d are allowed", name, lines, limit))
			}
		}
	}
	for name, limit := range known {
		switch lines := seen[name]; {
		case lines <= MaxFunction:
			violations = append(violations, name+" is not too long any more: take it out of the table")
		case lines < limit:
			violations = append(violations, fmt.Sprintf("%s has %d lines: lower its entry from %d", name, lines, limit))
		}
	}
	slices.Sort(violations)
	return violations
}

// functionName is "Name", or "Type.Name" for a method.
func functionName(function *ast.FuncDecl) string {
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return function.Name.Name
	}
	receiver := function.Recv.List[0].Type
	for {
		switch typed := receiver.(type) {
		case *ast.StarExpr:
			receiver = typed.X
		case *ast.IndexExpr:
			receiver = typed.X
		case *ast.IndexListExpr:
			receiver = typed.X
		case *ast.Ident:
			return typed.Name + "." + function.Name.Name
		default:
			return function.Name.Name
		}
	}
}
