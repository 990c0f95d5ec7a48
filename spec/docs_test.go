package spec_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/extactor/extactor/spec"
)

const page = "../docs/service-file.md"

func document(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestDocumentationNamesEveryField: each mapping of the JSON Schema has a section of its own with a row for each field,
// and the row has the default.
func TestDocumentationNamesEveryField(t *testing.T) {
	sections := make(map[string]string)
	for _, section := range strings.Split(document(t), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[strings.Trim(title, "`")], _, _ = strings.Cut(body, "\n# ")
	}
	schemaObject(t).fields(nil, func(path []string, field object) {
		name := path[len(path)-1]
		title := strings.ReplaceAll(strings.Join(path[:len(path)-1], "."), ".[]", "")
		title = strings.NewReplacer("uidmappings", "uidMappings", "gidmappings", "uidMappings", "gidMappings", "uidMappings").Replace(title)
		if title == "" {
			title = "The file"
		}
		section, given := sections[title]
		if !given {
			t.Errorf("%s has no section %q", page, title)
			return
		}
		if strings.HasPrefix(field.Description, "Another spelling") {
			if !strings.Contains(section, "Also written `"+name+"`") {
				t.Errorf("section %q does not name the spelling %q", title, name)
			}
			return
		}
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\|.*$").FindString(section)
		if row == "" {
			t.Errorf("section %q has no row for %q", title, name)
		}
		if field.Default != nil && !strings.HasSuffix(row, fmt.Sprintf("| `%v` |", field.Default)) {
			t.Errorf("section %q: the row of %q does not end with its default %v: %s", title, name, field.Default, row)
		}
		for _, value := range field.Enum {
			if !strings.Contains(row, fmt.Sprintf("`%v`", value)) {
				t.Errorf("section %q: the row of %q does not name %v", title, name, value)
			}
		}
	})
}

// TestDocumentationExamples reads every example of the page, each as what it is.
func TestDocumentationExamples(t *testing.T) {
	schema := compiled(t)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(document(t), -1)
	kinds := make(map[string]int)
	for _, example := range examples {
		text := example[1]
		var problems spec.Problems
		switch {
		case strings.Contains(text, "kind: "):
			kinds["config"]++
			_, problems = spec.ParseConfigs("x.yaml", []byte(text))
		case strings.HasPrefix(text, "hostServices:"):
			kinds["host services"]++
			_, problems = spec.ParseHostServices("x.yaml", []byte(text))
		default:
			kinds["service"]++
			for _, required := range []string{"name: hello", "container: {entrypoint: ./hello}", "restart: always"} {
				if key, _, _ := strings.Cut(required, ":"); !strings.Contains("\n"+text, "\n"+key+":") {
					text += required + "\n"
				}
			}
			_, problems = spec.Parse("x.yaml", []byte(text))
			if err := schema.Validate(tree(t, []byte(text))); err != nil {
				t.Errorf("the schema refuses\n%s\n%v", text, err)
			}
		}
		if len(problems) > 0 {
			t.Errorf("problems of an example:\n%s", problems)
		}
	}
	if kinds["service"] < 10 || kinds["config"] == 0 || kinds["host services"] == 0 {
		t.Errorf("examples: %v", kinds)
	}
}

// TestDocumentationNamesOtherFields: the fields of an ExtensionServiceConfig and of a host service, as the parser itself
// lists them, have rows too.
func TestDocumentationNamesOtherFields(t *testing.T) {
	text := document(t)
	_, configs := spec.ParseConfigs("x.yaml", []byte("kind: ExtensionServiceConfig\nqqqqqqqqqqqqqqqqqqq: 1\nconfigFiles: [{qqqqqqqqqqqqqqqqqqq: 1}]"))
	_, hosts := spec.ParseHostServices("x.yaml", []byte("hostServices: {x: {qqqqqqqqqqqqqqqqqqq: 1}}"))
	count := 0
	for _, problem := range append(configs, hosts...) {
		if _, fields, found := strings.Cut(problem.Message, "allowed are "); found {
			for name := range strings.SplitSeq(fields, ", ") {
				count++
				if !strings.Contains(text, "\n| `"+name+"` | ") {
					t.Errorf("%s has no row for %q", page, name)
				}
			}
		}
	}
	if count != 12 {
		t.Errorf("%d fields in\n%s\n%s", count, configs, hosts)
	}
}

// TestSchemaIsStable: the same schema each time, so that it can be kept under version control.
func TestSchemaIsStable(t *testing.T) {
	first := spec.JSONSchema()
	if !json.Valid(first) || string(first) != string(spec.JSONSchema()) {
		t.Error("the schema differs from call to call")
	}
}
