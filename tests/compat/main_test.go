package compat_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const root = "../.."

// What is built once for all tests.
var (
	extactor    string // the program, its shim beside it
	programPath string // examples/hello-world
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "these tests need root")

			return 1
		}

		fmt.Println("SKIPPED: needs root: containers, mounts and cgroups cannot be made")

		return 0
	}

	directory, err := os.MkdirTemp("/tmp", "extactor-compat-")
	if err == nil {
		defer os.RemoveAll(directory)

		err = build(directory)
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	return m.Run()
}

// build takes the binaries of "make build" where EXTACTOR_BIN names them, else it builds them.
func build(directory string) error {
	programPath = filepath.Join(directory, "hello-world")
	if err := goBuild(programPath, "./examples/hello-world"); err != nil {
		return err
	}

	if built := os.Getenv("EXTACTOR_BIN"); built != "" {
		extactor = filepath.Join(built, "extactor")

		return nil
	}

	extactor = filepath.Join(directory, "extactor")

	return goBuild(directory+"/", "./cmd/...")
}

func goBuild(output, source string) error {
	build := exec.Command("go", "build", "-C", root, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", source, err, text)
	}

	return nil
}
