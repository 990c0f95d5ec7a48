// Package daemon_test runs the shipped programs as a person does, on real containers: from service files to status,
// events and logs.
package daemon_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// What is built once for all tests.
var (
	extactor    string // the program, with its shim beside it
	programPath string // the static program that most containers run
	helloPath   string // examples/hello-world
)

// binariesVariable names a directory with programs that are built already, as "make build" leaves them in bin.
const binariesVariable = "EXTACTOR_BIN"

const root = "../../.."

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "these tests need root")

			return 1
		}

		fmt.Println("SKIPPED: needs root: the daemon makes containers, mounts and cgroups")

		return 0
	}

	directory, err := os.MkdirTemp("/tmp", "extactor-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}
	defer os.RemoveAll(directory)

	if err := build(directory); err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	result := m.Run()

	if left := processesNaming(directory); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "processes are left: %v\n", left)

		return 1
	}

	return result
}

// build builds with the flags of the Makefile, so that what it compiled is not compiled again.
func build(directory string) error {
	binaries := os.Getenv(binariesVariable)
	if binaries == "" {
		binaries = directory
		if err := goBuild(directory+"/", "../../../cmd/..."); err != nil {
			return err
		}
	}

	extactor = filepath.Join(binaries, "extactor")
	programPath = filepath.Join(directory, "program")
	helloPath = filepath.Join(directory, "hello-world")

	if err := goBuild(programPath, "./testdata/program"); err != nil {
		return err
	}

	return goBuild(helloPath, root+"/examples/hello-world")
}

// goBuild builds with more flags; of those that are given twice the last one counts.
func goBuild(output, source string, flags ...string) error {
	words := slices.Concat([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, flags, []string{"-o", output, source})
	build := exec.Command("go", words...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", source, err, text)
	}

	return nil
}
