package spec_test

import (
	"os"
	"path/filepath"
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
