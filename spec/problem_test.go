package spec_test

import (
	"strings"
	"testing"

	"github.com/extactor/extactor/spec"
)

func TestProblemRendering(t *testing.T) {
	long := strings.Repeat("x", 200)
	for name, test := range map[string]struct {
		problem spec.Problem
		want    string
	}{
		"tabs keep the caret in place": {
			spec.Problem{File: "f", Line: 12, Column: 4, Severity: spec.Error, Message: "wrong", SourceLine: "\té\tx"},
			"f:12:4: wrong\n  12 | \té\tx\n     | \t \t^",
		},
		"a warning": {
			spec.Problem{File: "f", Line: 1, Column: 1, Severity: spec.Warning, Message: "odd", SourceLine: "x"},
			"f:1:1: warning: odd\n  1 | x\n    | ^",
		},
		"no position": {spec.Problem{File: "f", Severity: spec.Error, Message: "gone"}, "f: gone"},
		"no escape sequences": {
			spec.Problem{File: "f", Line: 1, Column: 3, Severity: spec.Error, Message: "m", SourceLine: "a\x1b[2Jb"},
			"f:1:3: m\n  1 | a\ufffd[2Jb\n    |   ^",
		},
		"behind the end": {
			spec.Problem{File: "f", Line: 1, Column: 9, Severity: spec.Error, Message: "m", SourceLine: "ab"},
			"f:1:9: m\n  1 | ab\n    |   ^",
		},
		"a long line": {
			spec.Problem{File: "f", Line: 1, Column: 101, Severity: spec.Error, Message: "m", SourceLine: long[:100] + "HERE" + long},
			"f:1:101: m\n  1 | ..." + long[:40] + "HERE" + long[:76] + "...\n    | " + strings.Repeat(" ", 43) + "^",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.problem.String(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestFailed(t *testing.T) {
	warning := spec.Problems{{Severity: spec.Warning}}
	both := append(spec.Problems{{Severity: spec.Error}}, warning...)
	for _, test := range []struct {
		problems spec.Problems
		strict   bool
		want     bool
	}{
		{nil, false, false}, {nil, true, false}, {warning, false, false}, {warning, true, true}, {both, false, true},
	} {
		if got := test.problems.Failed(test.strict); got != test.want {
			t.Errorf("%d problems, strict %t: failed is %t", len(test.problems), test.strict, got)
		}
	}
	if len(both.Errors()) != 1 || len(both.Warnings()) != 1 {
		t.Errorf("errors %v, warnings %v", both.Errors(), both.Warnings())
	}
}
