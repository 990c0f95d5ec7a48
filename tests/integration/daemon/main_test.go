// Package daemon_test runs the shipped programs as a person does, on real containers: from service files to status,
// events and logs.
package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/tests/integration/setup"
)

// What is built once for all tests.
var (
	extactor    string // the program, with its shim beside it
	programPath string // the static program that most containers run
	helloPath   string // examples/hello-world
)

const root = "../../.."

func TestMain(m *testing.M) {
	var made string

	result := setup.Run(m, func(directory string) error {
		made = directory

		return build(directory)
	})

	if made != "" {
		if left := processesNaming(made); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "processes are left: %v\n", left)

			result = 1
		}
	}

	os.Exit(result)
}

func build(directory string) error {
	binaries, err := setup.Binaries(directory)
	if err != nil {
		return err
	}

	extactor = filepath.Join(binaries, "extactor")
	programPath = filepath.Join(directory, "program")
	helloPath = filepath.Join(directory, "hello-world")

	if err := setup.Build(programPath, "./testdata/program"); err != nil {
		return err
	}

	return setup.Build(helloPath, root+"/examples/hello-world")
}
