// Package faults_test kills the parts of extactor at random, on real containers, and counts what is lost: nothing but
// what died with a killed shim.
package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is built once.
var (
	extactor    string // the program, with its shim beside it
	servicePath string // the static program that the containers run
)

// binariesVariable names a directory with programs that are built already, as "make build" leaves them in bin.
const binariesVariable = "EXTACTOR_BIN"

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

	return m.Run()
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
	servicePath = filepath.Join(directory, "service")

	return goBuild(servicePath, "./testdata/service")
}

func goBuild(output, source string) error {
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", source, err, text)
	}

	return nil
}
