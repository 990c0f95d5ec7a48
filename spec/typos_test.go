package spec_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/cockroachdb/datadriven"

	"github.com/extactor/extactor/spec"
)

// The mistakes that an author can make in a field.
const (
	misspelt  = "name"
	wrongType = "type"
	badValue  = "value"
)

// noBadValue are the fields in which every value of their type is allowed.
var noBadValue = map[string]string{
	"container.mounts.type":    "any file system that the host's kernel knows",
	"container.security":       "each of its fields may be left out",
	"depends.service":          "any service may be registered later",
	"extactor":                 "each of its fields may be left out",
	"extactor.stop":            "each of its fields may be left out",
	"extactor.resources":       "each of its fields may be left out",
	"extactor.depends.service": "what is not in depends is a mistake of the item",
}

// TestTypos reads testdata/typos: a mistake in each field of a service file. What extactor says names the place of the
// mistake and what to write instead. The fields are those of the types, so that a new one needs its mistakes here.
func TestTypos(t *testing.T) {
	made := make(map[string][]string)
	var wrong []string // told at the end, so that -rewrite writes all the same
	datadriven.Walk(t, "testdata/typos", func(t *testing.T, path string) {
		var base string
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "base" {
				base = d.Input + "\n"
				_, problems := spec.Parse("x.yaml", []byte(base))
				return problems.String()
			}
			var field, kind string
			d.ScanArgs(t, "field", &field)
			d.ScanArgs(t, "kind", &kind)
			if slices.Contains(made[field], kind) {
				d.Fatalf(t, "the second mistake of its kind")
			}
			made[field] = append(made[field], kind)
			content, from, to := mistaken(d, base)
			_, problems := spec.Parse("x.yaml", []byte(content))
			if !placed(problems, content, from, to) {
				wrong = append(wrong, fmt.Sprintf("%s: no problem is where the mistake is:\n%s", d.Pos, problems))
			}
			if name := field[strings.LastIndex(field, ".")+1:]; kind == misspelt && !strings.Contains(problems.String(), "did you mean \""+name+"\"?") {
				wrong = append(wrong, fmt.Sprintf("%s: nothing says what was meant:\n%s", d.Pos, problems))
			}
			return problems.String() + "\n"
		})
	})

	for _, each := range wrong {
		t.Error(each)
	}
	fields := fieldPaths(reflect.TypeFor[spec.Service](), "")
	checkAgainstSchema(t, fields)
	for _, field := range fields {
		for _, kind := range []string{misspelt, wrongType, badValue} {
			free := kind == badValue && noBadValue[field] != ""
			if given := slices.Contains(made[field], kind); given == free {
				t.Errorf("field %s, mistake %q: it is in testdata/typos: %t; every value allowed: %t", field, kind, given, free)
			}
		}
		delete(made, field)
	}
	for field := range made {
		t.Errorf("testdata/typos has the field %q, which no type has", field)
	}
}

// mistaken returns the file with its mistake, and where in it the mistake stands.
func mistaken(d *datadriven.TestData, base string) (content string, from, to int) {
	right, wrong, _ := strings.Cut(d.Input, "\n")
	right, wrong = strings.ReplaceAll(right, `\n`, "\n"), strings.ReplaceAll(wrong, `\n`, "\n")
	if strings.Count(base, right) != 1 {
		panic(fmt.Sprintf("%s: %q stands %d times in the file without mistakes", d.Pos, right, strings.Count(base, right)))
	}
	from = strings.Index(base, right)
	return strings.Replace(base, right, wrong, 1), from, from + len(wrong)
}

// placed tells whether a problem names a place within the mistake.
func placed(problems spec.Problems, content string, from, to int) bool {
	lines := strings.SplitAfter(content, "\n")
	return slices.ContainsFunc(problems, func(problem spec.Problem) bool {
		if problem.Line == 0 {
			return false
		}
		offset := len(strings.Join(lines[:problem.Line-1], "")) + problem.Column - 1
		return from <= offset && offset <= to
	})
}

// fieldPaths lists the fields that a file may have, by the types that it is read into.
func fieldPaths(of reflect.Type, prefix string) (paths []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return fieldPaths(of.Elem(), prefix)
	case reflect.Struct:
	default:
		return nil
	}
	for i := range of.NumField() {
		field := of.Field(i)
		if of == reflect.TypeFor[spec.Service]() && field.Name == "Source" || field.Name == "Line" || field.Name == "Column" {
			continue // where it was read, not what
		}
		if of == reflect.TypeFor[spec.DependencyOptions]() && field.Name == "Dependency" {
			paths = append(paths, fieldPaths(field.Type, prefix)...) // beside the other fields
			continue
		}
		path := prefix + written(field.Name)
		paths = append(append(paths, path), fieldPaths(field.Type, path+".")...)
	}
	return paths
}

// written is the name in the file of a field of a type.
func written(name string) string {
	if other := map[string]string{"PIDs": "pids", "ConfigSignal": "signal"}[name]; other != "" {
		return other
	}
	letters := []rune(name)
	for i := range letters {
		if i > 0 && i+1 < len(letters) && unicode.IsLower(letters[i+1]) || unicode.IsLower(letters[i]) {
			break
		}
		letters[i] = unicode.ToLower(letters[i])
	}
	return string(letters)
}

// checkAgainstSchema makes sure that the names are those of the file.
func checkAgainstSchema(t *testing.T, fields []string) {
	t.Helper()
	known := make(map[string]bool)
	schemaObject(t).fields(nil, func(path []string, field object) {
		if name := strings.ReplaceAll(strings.Join(path, "."), ".[]", ""); !strings.Contains(name, "mappings") &&
			!strings.HasPrefix(field.Description, "Another spelling") {
			known[name] = true
		}
	})
	if got, want := slices.Sorted(slices.Values(fields)), slices.Sorted(maps.Keys(known)); !slices.Equal(got, want) {
		t.Errorf("the types have the fields\n%s\nthe JSON Schema has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
