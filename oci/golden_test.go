package oci

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/cap"
	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixedHost is a machine that grants everything, as the golden files have it.
func fixedHost() Host {
	return Host{
		RootfsDir:    "/usr/local/lib/containers",
		Capabilities: slices.Clone(cap.Known()),
		CgroupParent: "/extactor",
		HostsFile:    "/etc/hosts",
		ResolvConf:   "/etc/resolv.conf",
	}
}

// TestCorpusGolden compares the spec of each corpus file with testdata/golden. Left out are the two parts that depend
// on the machine: the seccomp profile (TestSeccompFollowsCapabilities) and the paths that containerd masks for each
// processor.
func TestCorpusGolden(t *testing.T) {
	files, err := filepath.Glob("../spec/testdata/corpus/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("corpus has %d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			service, problems := spec.LoadFile(file)
			if service == nil {
				t.Fatal(problems)
			}
			generated, err := Generate(service, fixedHost(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			generated.Linux.Seccomp = nil
			generated.Linux.MaskedPaths = slices.DeleteFunc(generated.Linux.MaskedPaths, func(path string) bool {
				return strings.HasSuffix(path, "/thermal_throttle")
			})
			compareGolden(t, filepath.Join("testdata", "golden", name+".json"), generated)
		})
	}
}

func compareGolden(t *testing.T, path string, value any) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	if *update {
		mustWrite(t, path, got.String(), 0o644)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (run with -update to accept):\n%s", path, diff)
	}
}
