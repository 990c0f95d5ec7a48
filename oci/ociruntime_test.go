package oci

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installed makes a PATH with these programs alone, each a shell script.
func installed(t *testing.T, programs map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, script := range programs {
		mustWrite(t, filepath.Join(directory, name), "#!/bin/sh\n"+script+"\n", 0o755)
	}
	t.Setenv("PATH", directory)
	return directory
}

const (
	works = `[ "$3" = state ] && echo "{\"id\":\"$4\"}"; exit 0`
	fails = "echo cgroups in hybrid mode not supported >&2; exit 1"
)

// Which OCI runtime is taken: runc, or crun where it works.
func TestSelectOCIRuntime(t *testing.T) {
	for _, row := range []struct {
		name, choice  string
		programs      map[string]string
		want, problem string
	}{
		{"auto takes a crun that works", "auto", map[string]string{"crun": works, "runc": works}, "crun", ""},
		{"auto falls back to runc", "auto", map[string]string{"crun": fails, "runc": works}, "runc", ""},
		{"no choice is auto", "", map[string]string{"runc": works}, "runc", ""},
		{"runc is runc", "runc", map[string]string{"crun": works, "runc": works}, "runc", ""},
		{"nothing installed", "auto", nil, "",
			"cannot find an OCI runtime: neither crun nor runc is installed: install runc with"},
		{"crun alone, which does not work", "auto", map[string]string{"crun": fails}, "", "cgroups in hybrid mode not supported"},
		{"runc missing", "runc", map[string]string{"crun": works}, "", `cannot use OCI runtime "runc": it is not installed`},
		{"crun missing", "crun", map[string]string{"runc": works}, "", `cannot use OCI runtime "crun": it is not installed`},
		{"crun does not work", "crun", map[string]string{"crun": fails, "runc": works}, "",
			`cannot use OCI runtime "crun": it cannot create a container on this host: cgroups in hybrid mode not supported`},
		{"neither word nor path", "youki", nil, "", "none of auto, runc, crun, and not an absolute path"},
		{"path missing", "/no/such/runtime", nil, "", `cannot use OCI runtime "/no/such/runtime": no such file or directory`},
	} {
		t.Run(row.name, func(t *testing.T) {
			directory := installed(t, row.programs)
			got, err := SelectOCIRuntime(t.Context(), row.choice, newTrial(t))
			want := ""
			if row.want != "" {
				want = filepath.Join(directory, row.want)
			}
			equal(t, "binary", got, want)
			if (err == nil) != (row.problem == "") || err != nil && !strings.Contains(err.Error(), row.problem) {
				t.Errorf("error %v, want %q", err, row.problem)
			}
		})
	}
}

func TestSelectOCIRuntimeByPath(t *testing.T) {
	path := filepath.Join(installed(t, map[string]string{"mine": works, "runc": works}), "mine")
	got, err := SelectOCIRuntime(t.Context(), path, newTrial(t))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "binary", got, path)
}

func TestProgramThatIsNoOCIRuntimeIsRefused(t *testing.T) {
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip("SKIPPED: needs true(1)")
	}

	for _, choice := range []string{program, "/missing/runtime"} {
		if binary, err := CheckOCIRuntime(t.Context(), choice, newTrial(t)); err == nil || !strings.Contains(err.Error(), "cannot use OCI runtime") {
			t.Errorf("%s: %q, %v", choice, binary, err)
		}
	}
}
