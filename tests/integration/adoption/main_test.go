// Package adoption_test takes over what earlier daemons left: a daemon is put together in the test from the shipped parts
// (actors, journal on SQLite, container runtime, containerd), it dies at a chosen moment, and the next one goes on from
// the journal as the death left it and from the containers as they are.
package adoption_test

import (
	"flag"
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

// TestMain is also the embedded containerd: the tests start this very executable again.
func TestMain(m *testing.M) {
	setup.ServeContainerd()

	// They wait for each other's containers more than they compute.
	flag.Parse()
	_ = flag.Set("test.parallel", "5")

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
