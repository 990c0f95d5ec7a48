package author_test

import (
	"strings"
	"testing"

	"github.com/extactor/extactor/cmd/extactor/author"
	"github.com/extactor/extactor/spec"
)

// Each problem is shown when it begins, and the end of the last error.
func TestProblems(t *testing.T) {
	var out strings.Builder

	problems := author.NewProblems(&out)
	wrong := spec.Problem{File: "/x/a.yaml", Line: 1, Column: 2, Severity: spec.Error, Message: "wrong"}
	other := spec.Problem{File: "/x/b.yaml", Line: 3, Column: 4, Severity: spec.Error, Message: "other"}
	odd := spec.Problem{File: "/x/b.yaml", Line: 3, Column: 4, Severity: spec.Warning, Message: "odd"}

	const waiting, valid = "extactor: waiting for the correction; what runs goes on as it is\n", "extactor: all files are valid now\n"

	for i, step := range []struct {
		now  spec.Problems
		want string
	}{
		{nil, ""},
		{spec.Problems{wrong}, "/x/a.yaml:1:2: wrong\n" + waiting},
		{spec.Problems{wrong}, ""},
		{spec.Problems{wrong, other}, "/x/b.yaml:3:4: other\n" + waiting},
		{spec.Problems{wrong}, ""},
		{spec.Problems{odd}, "/x/b.yaml:3:4: warning: odd\n" + valid},
		{spec.Problems{odd}, ""},
		{spec.Problems{wrong, odd}, "/x/a.yaml:1:2: wrong\n" + waiting},
		{nil, valid},
		{nil, ""},
	} {
		out.Reset()
		problems.Show(step.now)

		if out.String() != step.want {
			t.Errorf("step %d: %q, want %q", i, out.String(), step.want)
		}
	}
}
