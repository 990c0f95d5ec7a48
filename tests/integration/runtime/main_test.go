// Package runtime_test runs the container runtime on real containers: with the embedded containerd and with the host's.
package runtime_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/tests/integration/setup"
)

// What is built once for all tests.
var (
	programPath string // the static program that containers run
	shimPath    string
)

// TestMain is also the embedded containerd: the runtime starts this very executable again.
func TestMain(m *testing.M) {
	setup.ServeContainerd()
	os.Exit(setup.Run(m, build))
}

func build(directory string) error {
	binaries, err := setup.Binaries(directory)
	if err != nil {
		return err
	}

	programPath = filepath.Join(directory, "program")
	shimPath = filepath.Join(binaries, oci.ShimName)

	return setup.Build(programPath, "./testdata/program")
}
