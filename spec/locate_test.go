package spec_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/spec"
)

func TestWarnOfDependency(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	for _, row := range []struct{ depends, want string }{
		{"depends:\n  - path: /x\n  - service: good\n", ":6:14: warning: careful, 100%\n  6 |   - service: good\n    |              ^"},
		{"depends: [{service: other}, {service: good}]\n", ":4:39: warning: careful, 100%\n  4 | depends: [{service: other}, {service: good}]\n    |" +
			"                                       ^"},
		{"depends: [{service: other}]\n", ": warning: careful, 100%"},
		{"depends: good\n", ": warning: careful, 100%"},
		{"depends: [\n", ": warning: careful, 100%"},
	} {
		if err := os.WriteFile(path, []byte("name: x\ncontainer: {entrypoint: x}\nrestart: always\n"+row.depends), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := spec.WarnOfDependency(path, "good", "careful, 100%").String(); got != path+row.want {
			t.Errorf("%s\ngot  %s\nwant %s", row.depends, got, path+row.want)
		}
	}
	if got := spec.WarnOfDependency(path+".gone", "good", "careful").String(); got != path+".gone: warning: careful" {
		t.Errorf("of a file that is gone: %s", got)
	}
}
