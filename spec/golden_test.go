package spec_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/extactor/extactor/spec"
)

// TestProblems reads testdata/problems: what is wrong in a file, and what extactor says about it. Run it with -rewrite
// after a change of wording, and read the difference.
func TestProblems(t *testing.T) {
	datadriven.Walk(t, "testdata/problems", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "configs":
				configs, problems := spec.ParseConfigs("x.yaml", []byte(d.Input))
				return shown(configs, problems)
			case "only":
				configs, problems := spec.ParseOnlyConfigs("x.yaml", []byte(d.Input))
				return shown(configs, problems)
			case "hosts":
				services, problems := spec.ParseHostServices("x.yaml", []byte(d.Input))
				return shown(services, problems)
			case "parse":
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			service, problems := spec.Parse("x.yaml", []byte(d.Input))
			if (service == nil) != (len(problems.Errors()) > 0) {
				d.Fatalf(t, "service %v with problems %v", service, problems)
			}
			if len(problems) == 0 {
				return fmt.Sprintf("%+v\n", *service)
			}
			return problems.String() + "\n"
		})
	})
}

// shown is what was read of a file and, below it, the problems.
func shown[T any](found []T, problems spec.Problems) string {
	var b strings.Builder
	for _, each := range found {
		text, err := json.Marshal(each)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	if len(problems) > 0 {
		fmt.Fprintf(&b, "%s\n", problems)
	}
	return b.String()
}
