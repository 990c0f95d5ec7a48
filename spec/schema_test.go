package spec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/extactor/extactor/spec"
)

// complete is a service file that sets all that can be set together, as the JSON Schema wants it.
const complete = `
name: hello
container:
  entrypoint: ./hello
  environment: [A=b]
  environmentFile: /run/env
  args: [-f, 8080, true]
  mounts:
    - source: /run
      destination: /run
      options: [rbind]
      uidMappings: [{containerID: 0, hostID: 100000, size: 4294967295}]
      gidmappings: [{containerid: 1, hostid: 2, size: 3}]
    - {destination: /tmp, type: tmpfs}
    - {source: /a, destination: /a, type: bind, options: [rbind]}
  security:
    {writeableRootfs: true, writeableSysfs: false, maskedPaths: [/proc/kcore], readonlyPaths: [], rootfsPropagation: rslave}
depends:
  - configuration: true
  - service: ext-setup
  - path: /run/x
  - network: [addresses, hostname]
  - time: true
restart: untilSuccess
logToConsole: true
extactor:
  stop: {signal: SIGINT, timeout: 1m30s}
  health: {http: "http://127.0.0.1/healthz", interval: 1s, timeout: 1s, initialDelay: 0s, failureThreshold: 5, onFailure: restart}
  resources: {memory: 64Mi, cpu: 0.5, pids: 100}
  backoff: {initial: 100ms, max: 30s, resetAfter: 60s}
  onConfigChange: signal
  signal: SIGHUP
  depends:
    - {service: ext-setup, until: completed, timeout: 30s, onTimeout: skip}
    - {path: /run/x, timeout: 1m}
    - {network: [hostname, addresses], timeout: 1m, onTimeout: fail}
`

// compiled is the JSON Schema as an editor uses it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(spec.JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("service.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("service.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// tree reads YAML as the plain values of JSON.
func tree(t *testing.T, content []byte) any {
	t.Helper()
	text, err := yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return value
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestSchemaAcceptsServiceFiles(t *testing.T) {
	schema := compiled(t)
	files, err := filepath.Glob("testdata/corpus/*.yaml")
	if err != nil || len(files) != 6 {
		t.Fatalf("corpus %v: %v", files, err)
	}
	examples, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("examples %v: %v", examples, err)
	}
	for _, path := range append(files, examples...) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(tree(t, content)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := schema.Validate(tree(t, []byte(complete))); err != nil {
		t.Errorf("the complete file: %v", err)
	}
	if _, problems := spec.Parse("complete.yaml", []byte(complete)); len(problems) > 0 {
		t.Errorf("the complete file:\n%s", problems)
	}
}

// TestSchemaAgreesWithParser changes the complete file in one place after the other. What the schema accepts, the parser
// accepts; what the parser accepts, the schema accepts, but for the leniences that JSONSchema names.
func TestSchemaAgreesWithParser(t *testing.T) {
	schema := compiled(t)
	changes, refused := 0, 0
	judge := func(where string, root any) {
		changes++
		content := encode(t, root)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		invalid := schema.Validate(value)
		_, problems := spec.Parse("x.yaml", content)
		if invalid != nil {
			refused++
		}
		switch {
		case invalid == nil && len(problems) > 0 && !ofSeveralFields(problems):
			t.Errorf("%s: the schema accepts what the parser does not:\n%s", where, problems)
		case invalid != nil && len(problems) == 0 && !lenient(where):
			t.Errorf("%s: the parser accepts what the schema does not:\n%v", where, invalid)
		}
	}
	visit := func(root any) func(where string, replace func(value any), remove func()) {
		return func(where string, replace func(value any), remove func()) {
			if remove != nil {
				remove()
				judge("without "+where, root)
			}
			for _, wrong := range []any{
				"", "wrong value!", "/abs", "10s", "HUP", -1, 0, 1.5, true, nil, []any{},
				map[string]any{}, []any{""}, []any{map[string]any{}}, map[string]any{"unknown": 1},
			} {
				replace(wrong)
				judge(fmt.Sprintf("%s = %s", where, bytes.TrimSpace(encode(t, wrong))), root)
			}
		}
	}
	root := tree(t, []byte(complete))
	walk(root, "", visit(root))
	for _, probe := range []string{"{exec: [/bin/check, -x]}", "{tcp: '[::1]:80'}", "{socket: /run/x.sock}"} {
		health := tree(t, []byte(probe))
		root.(map[string]any)["extactor"].(map[string]any)["health"] = health
		judge(probe, root)
		walk(health, "/extactor/health", visit(root))
	}
	if changes < 1000 || refused < changes/2 {
		t.Errorf("%d changes of which %d were refused", changes, refused)
	}
}

// walk visits every value below the root; what a visit changed is put back after it.
func walk(value any, where string, visit func(where string, replace func(any), remove func())) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			old := value[name]
			visit(where+"/"+name, func(changed any) { value[name] = changed }, func() { delete(value, name) })
			value[name] = old
			walk(old, where+"/"+name, visit)
		}
	case []any:
		for i, old := range value {
			visit(fmt.Sprintf("%s/%d", where, i), func(changed any) { value[i] = changed }, nil)
			value[i] = old
			walk(old, fmt.Sprintf("%s/%d", where, i), visit)
		}
	}
}

// ofSeveralFields tells whether the problems are about how fields fit together, which a schema cannot say.
func ofSeveralFields(problems spec.Problems) bool {
	for _, problem := range problems {
		if !strings.Contains(problem.Message, "no item of depends has") &&
			!strings.Contains(problem.Message, "has further demands on line") &&
			!strings.Contains(problem.Message, "only an extension service") &&
			!strings.Contains(problem.Message, "which is more than its max") {
			return false
		}
	}
	return true
}

// lenient tells whether the parser may accept what the schema does not: no value stands for an absent field, and a
// number, a boolean or a mount's type for its text.
func lenient(where string) bool {
	_, value, _ := strings.Cut(where, " = ")
	switch value {
	case `""`, "null":
		return true
	case "-1", "0", "1", "1.5", "true", "false": // read as the text that was written
		return !strings.HasPrefix(where, "/extactor/health/") && !strings.HasPrefix(where, "/extactor/resources/")
	}
	return false
}

// object is what the test needs of a JSON Schema.
type object struct {
	Description string
	Properties  map[string]object
	Items       *object
	Default     any
	Enum        []any
}

// fields calls visit for every field of the schema with the path to it.
func (o object) fields(path []string, visit func(path []string, field object)) {
	for _, name := range slices.Sorted(maps.Keys(o.Properties)) {
		field := o.Properties[name]
		here := append(slices.Clone(path), name)
		visit(here, field)
		field.fields(here, visit)
		if field.Items != nil {
			field.Items.fields(append(here, "[]"), visit)
		}
	}
}

func schemaObject(t *testing.T) object {
	t.Helper()
	var root object
	if err := json.Unmarshal(spec.JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// nested puts a value at the end of a path into a minimal service file.
func nested(path []string, value any) any {
	for _, step := range slices.Backward(path) {
		if step == "[]" {
			value = []any{value}
		} else {
			value = map[string]any{step: value}
		}
	}
	root := value.(map[string]any)
	for name, least := range map[string]any{"name": "hello", "restart": "always", "container": map[string]any{"entrypoint": "x"}} {
		if _, given := root[name]; !given {
			root[name] = least
		}
	}
	return root
}

// TestParserReadsEveryField gives every field of the schema a value that is wrong for all of them: the parser, which
// knows no field that it does not look at, says so at its line.
func TestParserReadsEveryField(t *testing.T) {
	count := 0
	schemaObject(t).fields(nil, func(path []string, field object) {
		count++
		if field.Description == "" {
			t.Errorf("%v has no description", path)
		}
		content := encode(t, nested(path, "@"))
		before, _, _ := bytes.Cut(content, []byte(`"@"`))
		line := bytes.Count(before, []byte("\n")) + 1
		_, problems := spec.Parse("x.yaml", bytes.Replace(content, []byte(`"@"`), []byte("[{}]"), 1))
		if !slices.ContainsFunc(problems, func(p spec.Problem) bool { return p.Line == line && p.Severity == spec.Error }) {
			t.Errorf("%v is not read: no error on line %d of\n%s\n%s", path, line, content, problems)
		}
	})
	if count < 60 {
		t.Errorf("only %d fields", count)
	}
}

// TestSchemaKnowsEveryField compares the fields that the parser says it knows with those of the schema, mapping by
// mapping.
func TestSchemaKnowsEveryField(t *testing.T) {
	check := func(path []string, of object) {
		if len(of.Properties) == 0 {
			return
		}
		_, problems := spec.Parse("x.yaml", encode(t, nested(append(slices.Clone(path), "qqqqqqqqqqqqqqqqq"), 1)))
		var known []string
		for _, problem := range problems {
			if _, list, found := strings.Cut(problem.Message, "allowed are "); found {
				known = strings.Split(list, ", ")
			} else if _, list, found := strings.Cut(problem.Message, "exactly one of "); found && known == nil {
				known = strings.Split(list, ", ")
			}
		}
		var described []string
		for name, field := range of.Properties {
			if !strings.HasPrefix(field.Description, "Another spelling") {
				described = append(described, name)
			}
		}
		slices.Sort(known)
		slices.Sort(described)
		if diff := cmp.Diff(known, described); diff != "" {
			t.Errorf("fields of %v (-parser +schema):\n%s%s", path, diff, problems)
		}
	}
	root := schemaObject(t)
	check(nil, root)
	root.fields(nil, func(path []string, field object) {
		check(path, field)
		if field.Items != nil {
			check(append(slices.Clone(path), "[]"), *field.Items)
		}
	})
}
