package spec_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/extactor/extactor/spec"
)

// FuzzParse: whatever a file contains, parsing ends with a service or with an error that can be shown, never with a
// panic, and a position is always one that exists.
func FuzzParse(f *testing.F) {
	corpus, err := filepath.Glob("testdata/corpus/*.yaml")
	if err != nil || len(corpus) != 6 {
		f.Fatalf("corpus %v: %v", corpus, err)
	}
	for _, path := range corpus {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(everyField))
	f.Add([]byte("a: &a [*a]\nb: {<<: *a}\nc: !!str\n? d\n: |+\n\n  e\n%YAML 1.2\n---\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		service, problems := spec.Parse("x.yaml", content)
		if failed := problems.Failed(false); failed != (service == nil) {
			t.Fatalf("service %v with problems:\n%s", service, problems)
		}
		lines := strings.Count(strings.ReplaceAll(string(content), "\r", "\n"), "\n") + 1
		for _, problem := range problems {
			if problem.Message == "" || problem.Line < 0 || problem.Line > lines || (problem.Line > 0) != (problem.Column > 0) {
				t.Errorf("problem %+v of %d lines", problem, lines)
			}
			if strings.Count(problem.String(), "\n") > 2 {
				t.Errorf("problem is not three lines: %q", problem)
			}
		}
		if service != nil && (service.Name == "" || service.Container.Entrypoint == "" || service.Restart == "" ||
			service.Extactor.Stop.Timeout <= 0 || !strings.HasPrefix(service.Extactor.Stop.Signal, "SIG")) {
			t.Errorf("incomplete service %+v", service)
		}
	})
}

// FuzzParseConfigs: whatever a file contains, what is read of it is complete, survives being written, and can be
// removed without a trace in the other documents.
func FuzzParseConfigs(f *testing.F) {
	f.Add([]byte("apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: a\nconfigFiles:\n- content: |+\n    x\n\n  mountPath: /x\n---\n" +
		"kind: Other\n...\n%YAML 1.2\n---\napiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: b\nenvironment: [A=b]"))
	f.Add([]byte("\ufeff--- {apiVersion: v1alpha1, kind: ExtensionServiceConfig, name: &n a, environment: ['A=\r\n b', *n]}\r---\r---\n...\n..."))
	f.Fuzz(func(t *testing.T, content []byte) {
		configs, problems := spec.ParseConfigs("x.yaml", content)
		lines := strings.Count(strings.ReplaceAll(string(content), "\r", "\n"), "\n") + 1
		for _, problem := range problems {
			if problem.Message == "" || problem.Line > lines || (problem.Line > 0) != (problem.Column > 0) || problem.SourceLine != "" {
				t.Errorf("problem %+v of %d lines", problem, lines)
			}
		}
		for _, config := range configs {
			if config.Name == "" || len(config.Files)+len(config.Environment) == 0 {
				t.Errorf("incomplete config %+v", config)
			}
			document := spec.EncodeConfig(config)
			again, problems := spec.ParseConfigs("x.yaml", document)
			if len(again) != 1 || !reflect.DeepEqual(again[0], config) {
				t.Fatalf("%+v is written as\n%s\n%s", config, document, problems)
			}
			rest, found := spec.RemoveConfig(content, config.Name)
			if left, _ := spec.ParseConfigs("x.yaml", rest); !found || holds(left, config.Name) || len(left) < len(configs)-1 {
				t.Fatalf("without %s:\n%s", config.Name, rest)
			}
			replaced, _ := spec.ParseConfigs("x.yaml", spec.ReplaceConfig(content, config.Name, document))
			if len(replaced) < len(configs) || !holds(replaced, config.Name) {
				t.Fatalf("replaced %s:\n%s", config.Name, spec.ReplaceConfig(content, config.Name, document))
			}
		}
	})
}

func holds(configs []*spec.Config, name string) bool {
	return slices.ContainsFunc(configs, func(c *spec.Config) bool { return c.Name == name })
}
