package spec_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/extactor/extactor/spec"
)

// TestProblems reads testdata/problems: what is wrong in a file, and what extactor says about it. Run it with -rewrite
// after a change of wording, and read the difference.
func TestProblems(t *testing.T) {
	datadriven.Walk(t, "testdata/problems", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "parse" {
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
