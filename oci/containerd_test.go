package oci

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci/server"
)

func TestTakesOurShim(t *testing.T) {
	for version, want := range map[string]bool{
		"1.6.20~ds1": false, "v1.7.27": false, "v2.0.5": false, "v2.4.2": true, "2.5.0-rc.1": true, "v3.0.0": true,
		"": false, "dev": false,
	} {
		if got := takesOurShim(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

func TestAutoKeepsItsChoice(t *testing.T) {
	run := t.TempDir()

	// A choice that was made stands, whatever answers today: the containers are there.
	if err := os.WriteFile(choicePath(run), []byte("/somewhere/containerd.sock"), 0o644); err != nil {
		t.Fatal(err)
	}

	for given, want := range map[string]string{
		Auto:                  "/somewhere/containerd.sock",
		"":                    "/somewhere/containerd.sock",
		Embedded:              server.Address(run),
		"/given.sock":         "/given.sock",
		"unix:///given2.sock": "/given2.sock",
	} {
		if got, err := choose(Config{RunDir: run, Address: given}); err != nil || got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
}

func TestAutoWritesItsChoiceDown(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")

	chosen, err := choose(Config{RunDir: run, Address: Auto})
	if err != nil {
		t.Fatal(err)
	}

	if written, err := os.ReadFile(choicePath(run)); err != nil || string(written) != chosen {
		t.Errorf("chose %q, wrote %q, %v", chosen, written, err)
	}
}

func TestMissingShimIsToldPlainly(t *testing.T) {
	_, err := New(Config{RunDir: t.TempDir(), Address: Embedded, ShimPath: "/missing/shim"})
	if err == nil || err.Error() != `cannot connect to containerd: the shim is missing, it belongs beside the executable: stat /missing/shim: no such file or directory` {
		t.Errorf("error: %v", err)
	}
}
