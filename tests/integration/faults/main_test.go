// Package faults_test kills the parts of extactor at random, on real containers, and counts what is lost: nothing but
// what died with a killed shim.
package faults_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/tests/integration/setup"
)

// What is built once.
var (
	extactor    string // the program, with its shim beside it
	servicePath string // the static program that the containers run
)

func TestMain(m *testing.M) { os.Exit(setup.Run(m, build)) }

func build(directory string) error {
	binaries, err := setup.Binaries(directory)
	if err != nil {
		return err
	}

	extactor = filepath.Join(binaries, "extactor")
	servicePath = filepath.Join(directory, "service")

	return setup.Build(servicePath, "./testdata/service")
}
